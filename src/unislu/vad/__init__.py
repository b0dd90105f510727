"""Long audio → windows that fit the encoder: the stretches with speech, cut at pauses.

`SpeechCutter` finds speech with Silero VAD and leaves out the rest; `EnergyCutter` cuts at quiet points and
keeps everything. Both take a stream and keep only the windows that are not complete yet.
"""

from __future__ import annotations

from .energy import MAX_SECONDS, EnergyCutter, is_silent
from .silero import CHUNK, Silero, has_speech, is_speech
from .speech import Cutting, SpeechCutter
from .window import Window

Cutter = EnergyCutter | SpeechCutter

__all__ = [
    "CHUNK",
    "MAX_SECONDS",
    "Cutter",
    "Cutting",
    "EnergyCutter",
    "Silero",
    "Window",
    "SpeechCutter",
    "is_silent",
    "has_speech",
    "is_speech",
]
