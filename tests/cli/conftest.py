"""A model that answers the same to all audio, a clip, and a way to run `unislu analyze` with them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.audio import read_audio
from unislu.cli import main
from unislu.errors import BundleError, OptionError, UnisluError
from unislu.recognition.request import Request
from unislu.result import Analysis, Entity, Segment, Sentiment


class StubModel:
    """Reads audio for real and answers the same to all of it."""

    def __init__(self) -> None:
        self.request = Request()

    def check(self, options: Request) -> None:
        if options.entities and "dragon" in options.entities:
            raise OptionError("entity type 'dragon': this bundle only has the types PERSON")

    def analyze_many(
        self, sources: list[Any], *, request: Request, on_error: str, progress: Any, watch: Any
    ) -> Iterator[Analysis | UnisluError]:
        self.request = request
        for number, source in enumerate(sources):
            progress(number)
            try:
                yield self._analyze(source, request)
            except UnisluError as error:
                yield error

    def _analyze(self, source: Any, options: Request) -> Analysis:
        audio = read_audio(source)
        text = "Ann was glad." if options.wants_text else None
        length = len(text or "")
        return Analysis(
            text=text,
            duration=audio.duration,
            model="stub 1",
            file=audio.name,
            entities=(Entity("PERSON", "Ann", 0, 3, 0.9),) if "ner" in options.tasks else None,
            sentiment=Sentiment("positive", {"positive": 1.0}) if "sa" in options.tasks else None,
            segments=(Segment(0, audio.duration, text or "", 0, length),),
            warnings=audio.warnings,
        )


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> StubModel:
    model = StubModel()

    def load(bundle: str | None = None, **options: Any) -> StubModel:
        if bundle is not None:
            raise BundleError(f"{bundle}: has no manifest.json, so it is not a bundle")
        return model

    monkeypatch.setattr("unislu.recognition.model.load", load)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return model


def wav(seconds: float = 0.5, rate: int = 16_000, channels: int = 1, dtype: str = "<i2") -> bytes:
    count = round(seconds * rate)
    samples = np.random.default_rng(0).normal(0, 0.1, (count, channels))
    scaled = samples.astype(dtype) if dtype == "<f4" else (samples * 32_767).astype(dtype)
    data = scaled.tobytes()
    width = channels * scaled.itemsize
    fmt = struct.pack(
        "<HHIIHH", 3 if dtype == "<f4" else 1, channels, rate, rate * width, width, scaled.itemsize * 8
    )
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + fmt
    return head + b"data" + struct.pack("<I", len(data)) + data


@pytest.fixture
def clip(tmp_path: Path) -> str:
    path = tmp_path / "clip.wav"
    path.write_bytes(wav())
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    try:
        code = main(["analyze", *arguments])
    except SystemExit as exit_:  # argparse leaves by itself
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    return code, out, err
