"""Results as `unislu batch` writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., Path]:
    """Writes one part of a results folder."""
    from unislu.scale.rows import table
    from unislu.writers.parquet import to_parquet

    def write(number: int, *rows: dict[str, Any]) -> Path:
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        path = folder / f"part-{number:06d}-0123abcd.parquet"
        path.write_bytes(to_parquet(table(rows)))
        return path

    return write


def said(id_: str, *texts: str, mood: str = "neutral", person: str | None = None) -> dict[str, Any]:
    """The row of a recording with a segment for each text."""
    text, segments = " ".join(texts), []
    for number, one in enumerate(texts):
        start = text.index(one)
        place = {
            "start": 5.0 * number,
            "end": 5.0 * number + 4,
            "start_char": start,
            "end_char": start + len(one),
        }
        segments.append({**place, "text": one})
    entities = []
    if person is not None:
        start = text.index(person)
        place = {"start_char": start, "end_char": start + len(person), "start": 1.0, "end": 2.0}
        entities.append({"type": "PERSON", "text": person, **place})
    return {
        "id": id_, "uri": f"/calls/{id_}.wav", "duration": 5.0 * len(texts), "text": text,
        "segments": segments, "entities": entities, "sentiment": {"label": mood, "scores": {mood: 1.0}},
        "finished_at": datetime.now(UTC),
    }  # fmt: skip
