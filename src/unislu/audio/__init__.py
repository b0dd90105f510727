"""Any recording → mono float32 at 16 kHz.

Every source takes the same path: decode at its own rate, mix the channels by their mean (where they cancel
each other out, use the loudest), resample. Plain WAV is read here (at 16 kHz it needs no decoder library at
all); everything else, and all resampling, is done by PyAV, which is imported only when needed.

Whatever can be decoded of a damaged file is returned with a warning; a file that cannot be decoded at all is
an `AudioError` that names the file, the problem and the remedy.
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
