"""Anything that holds sound → mono float32 at 16 kHz.

Every source goes the same way: decode at its own rate, mix the channels by their mean (where they cancel
each other out, take the loudest), resample. Plain WAV is read here (at 16 kHz it then needs no decoder
library at all); everything else, and all resampling, is done by PyAV, imported only when it is needed.

What can be heard of a damaged file is returned with a warning; a file of which nothing can be
heard is an `AudioError` that names the file, what was found and the remedy.
"""

from __future__ import annotations

from .read import Audio, AudioSource, AudioWarning, count_channels, load_audio, open_audio, read_audio
from .stream import MIN_SECONDS, SAMPLE_RATE, AudioStream

__all__ = [
    "count_channels",
    "load_audio",
    "open_audio",
    "read_audio",
    "Audio",
    "AudioSource",
    "AudioStream",
    "AudioWarning",
    "SAMPLE_RATE",
    "MIN_SECONDS",
]
