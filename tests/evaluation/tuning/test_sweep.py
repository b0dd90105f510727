"""The sweep: decoding only where outputs change gives what decoding everywhere gives."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import pytest

from unislu.errors import OptionError, RecordError
from unislu.evaluation.sweep import RecordClip, biases, read_clips, sweep
from unislu.recognition.recognizer import Recognizer

GRID = biases(-4, 4, 0.5)


@pytest.mark.parametrize("entities", [None, ["person", "place", "time of day"]])
def test_a_sweep_equals_decoding_at_every_bias(
    recognizer: Recognizer, clips: list[RecordClip], entities: list[str] | None
) -> None:
    swept = sweep(recognizer, clips, GRID, entities)
    assert swept.decoded < len(GRID) * len(clips)
    for place, bias in enumerate(GRID):
        single = sweep(recognizer, clips, [bias], entities)
        assert [p.entities for p in single.predictions(0)] == [p.entities for p in swept.predictions(place)]
        assert [p.text for p in single.predictions(0)] == [p.text for p in swept.predictions(place)]
    counts = [sum(len(p.entities or ()) for p in swept.predictions(n)) for n in (0, len(GRID) - 1)]
    assert counts[0] < counts[1]  # the bias does something, or the comparison above says nothing


def test_a_journal_is_gone_on_with(recognizer: Recognizer, clips: list[RecordClip], tmp_path: Path) -> None:
    journal = tmp_path / "deep" / "sweep.jsonl"
    whole = sweep(recognizer, clips, GRID, journal=journal)
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:3]) + "\n" + lines[3][:20])  # two clips, and half of a third
    rest = sweep(recognizer, clips, GRID, journal=journal)
    assert rest.answers == whole.answers
    assert 0 < rest.decoded < whole.decoded
    assert sweep(recognizer, clips, GRID, journal=journal).decoded == 0


def test_a_journal_of_another_question_is_refused(
    recognizer: Recognizer, clips: list[RecordClip], tmp_path: Path
) -> None:
    journal = tmp_path / "sweep.jsonl"
    sweep(recognizer, clips[:1], [0.0], journal=journal)
    with pytest.raises(OptionError, match=r"sweep\.jsonl.*another bundle, grid or question"):
        sweep(recognizer, clips[:1], [0.0, 1.0], journal=journal)


def test_clips_longer_than_a_window_are_named(recognizer: Recognizer, clips: list[RecordClip]) -> None:
    recognizer.manifest = replace(
        recognizer.manifest, audio=replace(recognizer.manifest.audio, max_seconds=1.0)
    )
    long = replace(clips[0], record=replace(clips[0].record, id="long"))
    assert len(sweep(recognizer, [long], [0.0]).answers) == 1
    with wave.open(str(long.path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(b"\x01\x01" * 20_000)
    with pytest.raises(RecordError, match=r"'long'.*lasts 1\.2 s"):
        sweep(recognizer, [long], [0.0])


@pytest.mark.parametrize("bounds", [(1, 1, 0.5), (2, -2, 1), (-2, 2, 0), (-2, 2, 9), (-1e9, 0, 1)])
def test_bounds_that_give_no_grid(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(OptionError, match="biases from"):
        biases(*bounds)


def test_the_grid_reaches_its_ends() -> None:
    assert biases(-1, 1, 0.5) == (-1.0, -0.5, 0.0, 0.5, 1.0)
    assert biases(0, 0.3, 0.1) == (0.0, 0.1, 0.2, 0.3)


def test_ids_of_several_manifests_stay_apart(manifest: Path) -> None:
    twice = read_clips([manifest, manifest], 2)
    assert len({clip.id for clip in twice}) == 4
    assert [clip.record.id for clip in twice] == ["r0", "r1", "r0", "r1"]


def test_one_type_may_move_alone(recognizer: Recognizer, clips: list[RecordClip]) -> None:
    def found(only: str | None) -> set[str]:
        high = sweep(recognizer, clips, [0.0, 8.0], only=only).predictions(1)
        return {name for prediction in high for name, _ in prediction.entities or ()}

    assert found("law") == {"LAW"} and len(found(None)) > 1
    alone = [sweep(recognizer, clips, GRID, only="law").predictions(n) for n in range(len(GRID))]
    assert alone == [sweep(recognizer, clips, [bias], only="law").predictions(0) for bias in GRID]
