"""The ids that the default bundle writes for ten clips: recorded here, compared by a test of the bundle.

After a change of the default bundle: python tests/golden/record.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnxruntime

import unislu
from unislu.bundle import open_bundle
from unislu.engines.onnx import OnnxEngine
from unislu.recognition.model import Model
from unislu.result import Analysis

FOLDER = Path(__file__).parent
IDS = FOLDER / "ids.json"
CLIPS = [FOLDER.parents[1] / "examples" / "jfk.flac", *sorted(FOLDER.glob("*.flac"))]


class Recorder:
    """An engine that keeps the tokens it is given after each clip; everything else is the engine's own."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.ids: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def encode(self, *audio: Any) -> Any:
        self.ids = []
        return self._engine.encode(*audio)

    def step(self, tokens: Any, state: Any) -> Any:
        self.ids += tokens[0].tolist()
        return self._engine.step(tokens, state)

    def score(self, tokens: Any, *rest: Any) -> Any:
        self.ids += tokens.tolist()
        return self._engine.score(tokens, *rest)

    def divided(self) -> list[Recorder]:
        """This engine alone: ids of several at work could not be told apart."""
        return [self]


def open_recorded(encoder: Path | None = None) -> tuple[Model, Recorder]:
    """The default bundle on one thread; `encoder`: a graph in place of its own."""
    bundle = open_bundle()
    engine = OnnxEngine(encoder or bundle.encoder, bundle.decoder, threads=1, tagger=bundle.tagger)
    recorder = Recorder(engine)
    return unislu.load(engine=recorder), recorder  # type: ignore[arg-type]


def summary(result: Analysis) -> dict[str, Any]:
    """What a user sees of a clip, to measure a distance by where ids may differ."""
    return {"text": result.text, "entities": [[e.type, e.text] for e in result.entities or ()]}


def main() -> None:
    """Write the file."""
    model, recorder = open_recorded()
    clips = {}
    for path in CLIPS:
        result = model.analyze(path)
        clips[path.name] = {"ids": recorder.ids, **summary(result)}
    about = {"model": model.name, "onnxruntime": onnxruntime.__version__}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(clip)}" for name, clip in clips.items())
    IDS.write_text(f'{{"about": {json.dumps(about)},\n "clips": {{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
