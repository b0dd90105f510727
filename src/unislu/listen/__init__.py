"""Live speech: partial words, entities and a running sentiment while somebody speaks.

listener = Listener(model)
for samples in microphone:  # float32, 16 kHz
    for event in listener.feed(samples):
        print(event.to_dict())
listener.finish()

async for event in listen(model, chunks):
    ...
"""

from __future__ import annotations

from .cutter import SpeechDetector
from .events import EndEvent, EntityEvent, Event, FinalEvent, PartialEvent, SentimentEvent
from .listener import INTERVAL, Listener
from .stream import listen, pcm_samples

__all__ = [
    "Listener",
    "listen",
    "pcm_samples",
    "Event",
    "PartialEvent",
    "FinalEvent",
    "EntityEvent",
    "SentimentEvent",
    "EndEvent",
    "SpeechDetector",
    "INTERVAL",
]
