"""Who speaks when: voices along a recording, their clusters, and a speaker for every word.

`VoiceTrack` embeds stretches of speech while they are recognised (`embedding`), `cluster` groups the
embeddings (`clustering`), `with_speakers` gives words, segments and entities their speaker (`labelling`).
"""

from __future__ import annotations

from .clustering import cluster
from .embedding import Voice, VoiceTrack, embed, profile
from .labelling import unmet, with_speakers
from .live import LiveSpeakers
from .options import Speakers

__all__ = [
    "LiveSpeakers", "Speakers", "Voice", "VoiceTrack", "cluster", "embed", "profile", "unmet",
    "with_speakers",
]  # fmt: skip
