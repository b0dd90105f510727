"""Several files in one call: the same as one by one, errors of single files, an early end."""

from __future__ import annotations

from pathlib import Path

import pytest

from unislu.errors import AudioError, AudioNotFoundError, OptionError
from unislu.recognition.longform import FileProgress
from unislu.recognition.model import Model
from unislu.result import Analysis
from unislu.sequence import Vocabulary

from .scripted import SCRIPT, Always, make, noise, wav


def test_many_files_give_the_same_as_one_by_one(vocabulary: Vocabulary, tmp_path: Path) -> None:
    model, engine = make(vocabulary)
    files = []
    for number, frames in enumerate([300, 200, 150, 300, 200]):
        files.append(tmp_path / f"{number}.wav")
        files[-1].write_bytes(wav(noise(frames)))
    together = list(model.analyze_many(files))
    assert engine.batches == [[150, 200, 200, 300, 300]]
    for file, result in zip(files, together, strict=True):
        alone = model.analyze(file)
        assert isinstance(result, Analysis) and result.file == str(file)
        assert (alone.text, alone.entities, alone.sentiment) == (
            result.text,
            result.entities,
            result.sentiment,
        )


@pytest.mark.parametrize(("most", "batches"), [(16, [16, 4]), (20, [20])])
def test_an_engine_says_how_many_windows_it_wants(
    vocabulary: Vocabulary, most: int, batches: list[int]
) -> None:
    model, engine = make(vocabulary)
    engine.batch = most
    assert len(list(model.analyze_many([wav(noise(200))] * 20))) == 20
    assert list(map(len, engine.batches)) == batches


def test_errors_of_single_files(model: Model, tmp_path: Path) -> None:
    good = tmp_path / "good.wav"
    good.write_bytes(wav(noise(200)))
    seen: list[int] = []
    sources = [good, tmp_path / "missing.wav", good]
    results = list(model.analyze_many(sources, on_error="yield", progress=seen.append, tasks=("asr",)))
    assert [type(r) for r in results] == [Analysis, AudioNotFoundError, Analysis] and seen == [0, 1, 2]
    with pytest.raises(AudioNotFoundError):
        list(model.analyze_many(sources))
    with pytest.raises(OptionError):  # at the call, not at the first result
        model.analyze_many(sources, beam=0)
    with pytest.raises(OptionError, match="on_error"):
        model.analyze_many(sources, on_error="skip")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match=r"sources is 'a.wav': give a sequence"):
        model.analyze_many("a.wav")


def test_work_can_end_early_and_keeps_what_was_transcribed(vocabulary: Vocabulary, tmp_path: Path) -> None:
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    long.write_bytes(wav(noise(40_000)))
    short.write_bytes(wav(noise(300)))
    model, engine = make(vocabulary, Always(SCRIPT[300]))
    seen: list[tuple[int, float, float | None]] = []

    def watch(progress: FileProgress) -> bool:
        seen.append((progress.file, progress.seconds, progress.total))
        return len(engine.batches) >= 2

    results = list(model.analyze_many([short, long, short], watch=watch, vad="energy", window=4.0))
    first, partial = results
    assert isinstance(first, Analysis) and isinstance(partial, Analysis) and partial.file == str(long)
    assert partial.duration == 400.0 and "interrupted: only" in partial.warnings[-1]
    heard = [s for s in partial.segments if s.failed is None]
    assert 20 <= len(heard) < 60 and {s.failed for s in partial.segments} == {
        None,
        "interrupted before it was transcribed",
    }
    assert partial.text == " ".join(["Take aspirin, Ünal!"] * len(heard))
    assert all(total == 400.0 for file, _, total in seen if file == 1)
    assert [seconds for file, seconds, _ in seen if file == 1][-1] > 20
    # At once, before anything was heard: a result nevertheless.
    nothing = model.analyze(long, watch=lambda progress: True)
    assert nothing.text == "" and "interrupted" in nothing.warnings[-1]


def test_the_text_so_far_is_how_the_whole_begins(vocabulary: Vocabulary, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    long.write_bytes(wav(noise(40_000)))
    model, _ = make(vocabulary, Always(SCRIPT[300]))
    seen: list[str] = []
    whole = model.analyze(
        long, watch=lambda progress: seen.append(progress.text()), vad="energy", window=4.0
    ).text
    assert whole is not None and seen == sorted(seen, key=len) and len(set(seen)) > 2
    assert all(whole.startswith(text) for text in seen)
    assert any(0 < len(text) < len(whole) for text in seen)


def test_rows_of_the_library_datasets(model: Model) -> None:
    good = {"array": noise(200), "sampling_rate": 16_000, "path": "a.wav"}
    bad = {"array": noise(200), "path": "b.wav"}
    first, error, last = model.analyze_many([good, bad, {**good, "path": None}], on_error="yield")
    assert isinstance(first, Analysis) and first.file == "a.wav" and first.text
    assert isinstance(error, AudioError) and "b.wav: has no 'sampling_rate'" in str(error)
    assert isinstance(last, Analysis) and last.file is None and last.text == first.text
    assert model.analyze(good).text == first.text
    with pytest.raises(OptionError, match="give a sequence"):
        model.analyze_many(good)  # type: ignore[call-overload]
