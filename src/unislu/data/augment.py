"""Augmentation of clean speech: speed, reverberation, noise, telephone band, codec, gain, silence behind.

`draw` decides what happens to a clip and returns it as plain dictionaries; `apply` does it. The dictionaries
go into the manifest as they are (after the voice's speaking rate, `{"name": "rate"}`) and are enough to
repeat the augmentation: each that uses randomness carries its own seed.

| step | parameters | what it does |
|---|---|---|
| `speed` | `factor` | resamples: faster and higher, or slower and lower, another speaker's size |
| `reverb` | `rt60` s, `ratio_db`, `predelay` s, `seed` | a room: decaying noise after the direct sound |
| `noise` | `kind` (white, pink, brown, hum), `snr_db`, `seed` | steady background, relative to the speech |
| `telephone` | `law` (mu) | 300–3400 Hz at 8 kHz, 8-bit µ-law |
| `codec` | `codec` (opus, mp3), `kbps` | a round trip through a lossy codec |
| `gain` | `db` | quieter or louder, without clipping |
| `silence` | `seconds` | digital silence behind |
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any, TypeAlias

import numpy as np

from unislu.data.dsp import Samples, active_rms, convolve, limit, resample, rms, shape_spectrum
from unislu.errors import OptionError

Step: TypeAlias = Mapping[str, Any]

DEFAULT: Mapping[str, float] = {
    "speed": 0.3,
    "reverb": 0.25,
    "noise": 0.35,
    "telephone": 0.08,
    "codec": 0.08,
    "gain": 0.5,
}
"""Usual probabilities of the steps for a training corpus."""

_TELEPHONE_RATE = 8000
_TELEPHONE_BAND = [(0.0, 0.0), (200.0, 0.0), (300.0, 1.0), (3400.0, 1.0), (3700.0, 0.0)]
_MU = 255.0
_ENCODERS = {"opus": ("libopus", "ogg", 48000), "mp3": ("libmp3lame", "mp3", 16000)}


def parse_probabilities(text: str | Mapping[str, float]) -> dict[str, float]:
    """Read `"noise=0.3,reverb=0.2"`, `"default"` or `"none"` into probabilities by step.

    Raises:
        OptionError: when a step is unknown or a probability not between 0 and 1.
    """
    if isinstance(text, Mapping):
        pairs = {name: str(value) for name, value in text.items()}
    elif text in ("", "none"):
        return {}
    elif text == "default":
        return dict(DEFAULT)
    else:
        pairs = {name.strip(): value for name, _, value in (part.partition("=") for part in text.split(","))}
    found: dict[str, float] = {}
    for name, value in pairs.items():
        if name not in _DRAW:
            raise OptionError(f"augmentation: no step {name!r}; known: {', '.join(_DRAW)}")
        try:
            found[name] = float(value)
        except ValueError:
            raise OptionError(
                f"augmentation: the probability {value!r} of {name!r} is not a number"
            ) from None
        if not isfinite(found[name]) or not 0 <= found[name] <= 1:
            raise OptionError(f"augmentation: the probability {value!r} of {name!r} is not in 0…1")
    return found


def draw(probabilities: Mapping[str, float], rng: np.random.Generator) -> tuple[Step, ...]:
    """Draw the steps of one clip, in the order in which they affect sound: speaker, room, line, receiver.

    The same number of random values is taken for every step whether it happens or not, so a probability
    can be changed without changing what is drawn for the other steps.
    """
    steps: list[Step] = []
    for name, parameters in _DRAW.items():
        happens = rng.random() < probabilities.get(name, 0.0)
        step = {"name": name, **parameters(rng)}
        if happens:
            steps.append(step)
    return tuple(steps)


def apply(samples: Samples, rate: int, steps: Sequence[Step]) -> Samples:
    """Apply `steps` in order to `samples` `[n] float32` at `rate` Hz; `speed` and `silence` change the
    length.

    Raises:
        OptionError: when a step is unknown.
    """
    for step in steps:
        if step.get("name") not in _APPLY:
            raise OptionError(f"augmentation: no step {step.get('name')!r}; known: {', '.join(_APPLY)}")
        if len(samples):
            samples = limit(_APPLY[step["name"]](samples, rate, step))
    return samples


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _uniform(rng: np.random.Generator, low: float, high: float, digits: int) -> float:
    return round(float(rng.uniform(low, high)), digits)


def _draw_reverb(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "rt60": _uniform(rng, 0.15, 0.7, 2),
        "ratio_db": _uniform(rng, 0, 15, 1),
        "predelay": _uniform(rng, 0.002, 0.02, 3),
        "seed": _seed(rng),
    }


def _draw_noise(rng: np.random.Generator) -> dict[str, Any]:
    kind = str(rng.choice(["white", "pink", "brown", "hum"], p=[0.2, 0.45, 0.25, 0.1]))
    return {"kind": kind, "snr_db": _uniform(rng, 5, 30, 1), "seed": _seed(rng)}


def _draw_codec(rng: np.random.Generator) -> dict[str, Any]:
    codec = str(rng.choice(["opus", "mp3"]))
    return {"codec": codec, "kbps": int(rng.choice([12, 16, 24] if codec == "opus" else [24, 32, 48]))}


def _reverb(samples: Samples, rate: int, step: Step) -> Samples:
    rng = np.random.default_rng(step["seed"])
    length = max(1, round(float(step["rt60"]) * rate))
    decay = 10 ** (-3 * np.arange(length) / length)
    tail = (rng.standard_normal(length) * decay).astype(np.float32)
    tail = shape_spectrum(tail, rate, [(0, 0.3), (150, 1), (2000, 1), (rate / 2, 0.25)])
    tail *= 10 ** (-float(step["ratio_db"]) / 20) / max(float(np.linalg.norm(tail)), 1e-9)
    response = np.zeros(round(float(step["predelay"]) * rate) + length, np.float32)
    response[-length:] = tail
    response[0] = 1
    wet = convolve(samples, response)
    return (wet * (rms(samples) / max(rms(wet), 1e-9))).astype(np.float32)


def _noise(samples: Samples, rate: int, step: Step) -> Samples:
    noise = make_noise(str(step["kind"]), len(samples), rate, int(step["seed"]))
    level = active_rms(samples, rate) * 10 ** (-float(step["snr_db"]) / 20)
    return (samples + noise * level).astype(np.float32)


def make_noise(kind: str, length: int, rate: int, seed: int) -> Samples:
    """Noise `[length] float32` of unit root mean square: `white`, `pink`, `brown` or mains `hum`.

    Raises:
        OptionError: when the kind is unknown.
    """
    rng = np.random.default_rng(seed)
    if kind == "hum":
        mains = float(rng.choice([50.0, 60.0]))
        time = np.arange(length) / rate
        phases = rng.uniform(0, 2 * np.pi, 8)
        waves = [np.sin(2 * np.pi * mains * (k + 1) * time + phases[k]) / (k + 1) for k in range(8)]
        signal = np.sum(waves, axis=0) + 0.05 * rng.standard_normal(length)
    elif kind in _SLOPES:
        size = length + length % 2
        spectrum = np.fft.rfft(rng.standard_normal(size))
        # Below 20 Hz the slope would put all the power where it is inaudible.
        frequencies = np.maximum(np.fft.rfftfreq(size, 1 / rate), 20.0)
        signal = np.fft.irfft(spectrum * frequencies ** _SLOPES[kind], size)[:length]
    else:
        raise OptionError(f"augmentation: no noise {kind!r}; known: white, pink, brown, hum")
    result: Samples = signal.astype(np.float32)
    return (result / max(rms(result), 1e-9)).astype(np.float32)


_SLOPES = {"white": 0.0, "pink": -0.5, "brown": -1.0}


def _telephone(samples: Samples, rate: int, _step: Step) -> Samples:
    level = rms(samples)
    narrow = shape_spectrum(resample(samples, rate, _TELEPHONE_RATE), _TELEPHONE_RATE, _TELEPHONE_BAND)
    # The line is driven near full scale, as the other side's equipment does; the level comes back after.
    peak = max(float(np.max(np.abs(narrow), initial=0.0)), 1e-9)
    narrow = narrow / peak
    squeezed = np.sign(narrow) * np.log1p(_MU * np.abs(narrow)) / np.log1p(_MU)
    coded = np.round(squeezed * 127) / 127
    restored = (np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU).astype(np.float32)
    wide = resample(restored, _TELEPHONE_RATE, rate)[: len(samples)]
    wide = np.pad(wide, (0, len(samples) - len(wide)))
    return (wide * (level / max(rms(wide), 1e-9))).astype(np.float32)


def _codec(samples: Samples, rate: int, step: Step) -> Samples:
    import av

    encoder, container, coded_rate = _ENCODERS[str(step["codec"])]
    pcm = np.round(np.clip(resample(samples, rate, coded_rate), -1, 1) * 32767).astype(np.int16)
    packed = io.BytesIO()
    with av.open(packed, "w", format=container) as out:
        stream = out.add_stream(encoder, rate=coded_rate, layout="mono", bit_rate=int(step["kbps"]) * 1000)
        assert isinstance(stream, av.AudioStream)  # all of `_ENCODERS` code audio
        frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
        frame.sample_rate = coded_rate
        resampler = av.AudioResampler(stream.format, "mono", coded_rate, frame_size=stream.frame_size or 960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    packed.seek(0)
    converter = av.AudioResampler("flt", "mono", coded_rate)
    with av.open(packed, "r") as source:
        blocks = [b.to_ndarray()[0] for f in source.decode(audio=0) for b in converter.resample(f)]
    decoded = resample(np.concatenate([*blocks, np.zeros(0, np.float32)]), coded_rate, rate)[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded))).astype(np.float32)


_DRAW: Mapping[str, Callable[[np.random.Generator], dict[str, Any]]] = {
    # Hundredths keep the two rates' common divisor large, so resampling stays fast.
    "speed": lambda rng: {"factor": _uniform(rng, 0.9, 1.1, 2)},
    "reverb": _draw_reverb,
    "noise": _draw_noise,
    "telephone": lambda _: {"law": "mu"},
    "codec": _draw_codec,
    "gain": lambda rng: {"db": _uniform(rng, -18, 6, 1)},
    "silence": lambda rng: {"seconds": _uniform(rng, 0, 0.8, 2)},
}
_APPLY: Mapping[str, Callable[[Samples, int, Step], Samples]] = {
    "speed": lambda samples, rate, step: resample(samples, round(rate * float(step["factor"])), rate),
    "reverb": _reverb,
    "noise": _noise,
    "telephone": _telephone,
    "codec": _codec,
    "gain": lambda samples, _, step: (samples * 10 ** (float(step["db"]) / 20)).astype(np.float32),
    "silence": lambda samples, rate, step: np.pad(samples, (0, round(float(step["seconds"]) * rate))),
}
