"""Turns speech into a transcript with named entities and sentiment, in one model.

    import unislu

    model = unislu.load()
    result = model.analyze("call.mp3", entities=["person", "drug"], bias=0.5)
    result.text, result.entities[0].start_char, result.sentiment.scores

Names are imported on first use, so `import unislu` loads neither numpy nor an inference engine. It switches
off the telemetry of the libraries that are loaded later (`unislu.telemetry`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import (
    AudioError,
    AudioNotFoundError,
    BatchError,
    BundleError,
    BundleNotFoundError,
    EngineError,
    MissingDependencyError,
    OptionError,
    RecipeError,
    RecordError,
    RedactionError,
    TrainingError,
    UnisluError,
    VerificationError,
    VocabularyError,
    VoiceError,
)
from .telemetry import switch_off

if TYPE_CHECKING:
    from .audio import AudioWarning
    from .recognition.model import Model, load
    from .result import Analysis, Entity, Segment, Sentiment, Word

switch_off()

__version__ = "0.3.0"

__all__ = [
    "load",
    "Model",
    "Analysis",
    "Segment",
    "Word",
    "Entity",
    "Sentiment",
    "AudioWarning",
    "UnisluError",
    "OptionError",
    "AudioError",
    "AudioNotFoundError",
    "RecordError",
    "RecipeError",
    "TrainingError",
    "VocabularyError",
    "BundleError",
    "BundleNotFoundError",
    "EngineError",
    "VoiceError",
    "RedactionError",
    "VerificationError",
    "BatchError",
    "MissingDependencyError",
    "__version__",
]

_LAZY = {
    "load": "recognition.model",
    "Model": "recognition.model",
    "Analysis": "result",
    "Segment": "result",
    "Word": "result",
    "Entity": "result",
    "Sentiment": "result",
    "AudioWarning": "audio",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_LAZY[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
