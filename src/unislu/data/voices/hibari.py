"""hibari: a small neural voice (wheel `hibari-tts`, Apache-2.0), over a hundred times real time.

The wheel holds one voice and reads it American (`us`) or British (`gb`). Its other voices (`emma`, `fenrir`,
`fable`, `kore`) are fetched by the package itself on first use.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from unislu.errors import VoiceError, needs

_INSTALL = "pip install hibari-tts"
_READINGS = {"us": False, "gb": True}


class HibariVoice:
    """`hibari:us`, `hibari:gb`, or a voice of the package by name.

    Raises:
        MissingDependencyError: when hibari is not installed.
        VoiceError: when there is no such voice, or it cannot be fetched.
    """

    def __init__(self, name: str) -> None:
        with needs(f"hibari:{name}", install=_INSTALL):
            from hibari import Hibari
            from hibari.voices import VOICES
        if name not in _READINGS and name not in VOICES:
            known = ", ".join([*_READINGS, *VOICES])
            raise VoiceError(f"hibari:{name}: no such voice; known: {known}")
        try:
            british = _READINGS.get(name, VOICES[name]["british"] if name in VOICES else False)
            voice = "heart" if name in _READINGS else name
            self._speaker: Any = Hibari(voice=voice, threads=1, g2p=reader(british))
        except RuntimeError as error:
            raise VoiceError(f"hibari:{name}: {error}") from error
        self._name = name

    def speak(self, text: str, *, speed: float = 1.0) -> tuple[NDArray[np.float32], int]:
        """See `Voice.speak`. 24 kHz. The noise component is seeded by the text."""
        try:
            samples = self._speaker(text, speed=speed, seed=crc32(text.encode()))
        except Exception as error:  # the package names no errors of its own; another voice may do
            raise VoiceError(f"hibari:{self._name}: {error!r} on {text[:60]!r}") from error
        return np.asarray(samples, np.float32), int(self._speaker.sample_rate)


@lru_cache(maxsize=2)
def reader(british: bool) -> Any:
    """hibari's text-to-phoneme stage, shared by every voice of the process: it takes a second to load.

    Raises:
        MissingDependencyError: when hibari is not installed.
    """
    with needs("a reader of English", install=_INSTALL):
        from hibari.g2p import G2P
    return G2P(british=british)


def phonemes(text: str, *, british: bool = False) -> list[str]:
    """English phonemes in the alphabet of hibari and Kokoro, one string of at most 400 a sentence.

    Raises:
        MissingDependencyError: when hibari is not installed.
    """
    return list(_phonemizer(british).phonemize(text))


@lru_cache(maxsize=2)
def _phonemizer(british: bool) -> Any:
    from_reader = reader(british)
    from hibari import Hibari

    return Hibari(threads=1, g2p=from_reader)
