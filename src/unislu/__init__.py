"""Turns speech into a transcript with named entities and sentiment, in one model.

    import unislu

    model = unislu.load()
    result = model.analyze("call.mp3", entities=["person", "drug"], bias=0.5)
    result.text, result.entities[0].start_char, result.sentiment.scores

Names are imported on first use, so `import unislu` loads neither numpy nor an inference engine.

Nothing that unislu loads sends usage reports: the import switches the telemetry of libraries off. ONNX
Runtime (1.29 on) reads its variable at import, and otherwise writes a device id into the home's cache folder;
programs that import onnxruntime before unislu must set `ORT_DISABLE_TELEMETRY=1` themselves.
"""

from __future__ import annotations

import os
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
from .version import __version__

if TYPE_CHECKING:
    from .audio import AudioWarning
    from .recognition.model import Model, load
    from .result import Analysis, Entity, Segment, Sentiment, Word

TELEMETRY_OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DO_NOT_TRACK": "1",
}
for _name, _value in TELEMETRY_OFF.items():
    os.environ.setdefault(_name, _value)  # a value that the user chose is kept

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
