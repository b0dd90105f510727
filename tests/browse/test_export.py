"""Finding the audio, cutting it at words, and saving what was found."""

from __future__ import annotations

import csv
import io
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from unislu.browse import export
from unislu.browse.export import write_clips, write_csv
from unislu.browse.filters import Filter
from unislu.browse.index import Index
from unislu.browse.queries import search
from unislu.browse.recording import Source, source, source_of
from unislu.browse.sound import locate
from unislu.errors import AudioNotFoundError
from unislu.scale.inputs import FileStretch

from .conftest import SPOKEN, STEP, Results, Turn, pitch


def asked(**given: str) -> Filter:
    return Filter.parse({key: [value] for key, value in given.items()})


def lines(text: Iterator[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("".join(text))))


def tone(data: bytes) -> tuple[float, int, float]:
    """The strongest frequency of a WAV, its channels, its length in seconds."""
    with wave.open(io.BytesIO(data)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, file.getnchannels())
        rate = file.getframerate()
    spectrum = np.abs(np.fft.rfft(samples[:, 0]))
    return (
        float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()]),
        samples.shape[1],
        len(samples) / rate,
    )


def test_csv_of_recordings(opened: Index) -> None:
    rows = lines(write_csv(opened, asked(q="delivery", sort="oldest")))
    assert [row["day"] for row in rows] == ["2026-03-14", "2026-03-20"]
    assert rows[0]["sentiment"] == "negative" and rows[0]["sentiment_score"] == "0.8"
    assert rows[0]["entities"] == "ORG: Acme; MONEY: 20 euros; GPE: Berlin"
    assert rows[0]["text"].startswith("Thank you for calling Acme") and rows[0]["audio"] == rows[0]["id"]


def test_csv_of_mentions(opened: Index) -> None:
    rows = lines(write_csv(opened, asked(type="GPE", sort="oldest"), mentions=True))
    assert [(row["text"], row["confidence"], row["speaker"]) for row in rows] == [
        ("Berlin", "0.9", "Channel 1"), ("Berlin", "0.4", "Channel 2"),
    ]  # fmt: skip


def test_csv_has_no_formulas(results: Results) -> None:
    results.commit(results.call("a.wav", Turn('=HYPERLINK("http://x") and more'), audio=False))
    index = Index(str(results.path))
    (row,) = lines(write_csv(index, Filter()))
    assert row["text"].startswith("'=HYPERLINK")
    index.close()


def test_clips_are_the_very_words(opened: Index) -> None:
    """The word is a tone of its own: the clip has that pitch, that length and both channels."""
    query = asked(q="late", speaker="Channel 2")
    with write_clips(opened, query, None, 0.0) as out, zipfile.ZipFile(out) as archive:
        (clip,) = lines(iter([archive.read("clips.csv").decode()]))
        found = tone(archive.read(clip["clip"]))
    said = "Thank you for calling Acme, how can I help? My delivery is late".split()
    assert found[0] == pytest.approx(pitch(len(said) - 1), abs=5)
    assert found[1:] == (2, pytest.approx(SPOKEN, abs=0.01))
    assert clip["match"] == "late" and float(clip["start"]) == pytest.approx((len(said) - 1) * STEP)


def test_clips_of_entities_phrases_and_surroundings(opened: Index) -> None:
    for query, around, seconds in [
        (asked(type="MONEY"), 0.0, STEP + SPOKEN),
        (asked(q='"late delivery"'), 0.0, STEP + SPOKEN),
        # 0.5 s before and after, up to the end of the words that would be cut
        (asked(type="MONEY"), 0.5, 2 * STEP + SPOKEN + STEP),
    ]:
        with write_clips(opened, query, None, around) as out, zipfile.ZipFile(out) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".wav")]
            assert tone(archive.read(name))[2] == pytest.approx(seconds, abs=0.21)


def test_clips_that_cannot_be_made_are_named(opened: Index, calls: Results) -> None:
    (calls.calls / "2026-03-20-ben.wav").unlink()
    with write_clips(opened, asked(q="delivery"), None, 0.0) as out, zipfile.ZipFile(out) as archive:
        found = lines(iter([archive.read("clips.csv").decode()]))
    missing = [line for line in found if not line["clip"]]
    assert (
        len(found) == 3
        and "is no longer there" in missing[0]["note"]
        and "--audio-root" in missing[0]["note"]
    )
    (calls.calls / "2026-03-14-anna.wav").unlink()
    with pytest.raises(AudioNotFoundError, match="no longer there"):
        write_clips(opened, asked(q="delivery"), None, 0.0)
    with pytest.raises(AudioNotFoundError, match="nothing was found"):
        write_clips(opened, asked(q="antidisestablishmentarianism"), None, 0.0)


def test_what_is_over_the_limit_is_named(opened: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MAX_CLIPS", 2)
    with write_clips(opened, asked(q="acme OR delivery", sort="oldest"), None, 0.0) as out:
        archive = zipfile.ZipFile(out)
        found = lines(iter([archive.read("clips.csv").decode()]))
    assert len(archive.namelist()) == 3
    assert [bool(line["clip"]) for line in found] == [True, True, False, False, False]
    assert all("over 2 clips" in line["note"] for line in found[2:])


def test_without_word_times_a_segment_is_the_clip(results: Results) -> None:
    row = results.call("a.wav", Turn("one two three"), Turn("four five"), timed=False)
    results.commit({**row, "words": None})
    index = Index(str(results.path))
    with write_clips(index, asked(q="five"), None, 0.0) as out, zipfile.ZipFile(out) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".wav")]
        assert tone(archive.read(name))[2] == pytest.approx(STEP + SPOKEN, abs=0.01)
    index.close()


def test_a_part_of_a_file_is_cut_where_it_lies(results: Results) -> None:
    """Times of a result count from the part's start."""
    from .conftest import analysis, write_tones

    path = results.calls / "long.wav"
    write_tones(path, 10)
    row = results.row(path, analysis([Turn("four five six")], "neutral"), FileStretch(1.6, 2.8))
    results.commit(row)
    index = Index(str(results.path))
    with write_clips(index, asked(q="five"), None, 0.0) as out, zipfile.ZipFile(out) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".wav")]
        assert tone(archive.read(name))[0] == pytest.approx(pitch(5), abs=5)
    assert source_of(index, search(index, Filter())["rows"][0]["id"]).part == FileStretch(1.6, 2.8)
    index.close()


def test_recordings_that_have_moved(tmp_path: Path) -> None:
    def moved(place: str, content: bytes = b"12345") -> Path:
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    found = Source("x", "/data/march/a.wav", 5, None)
    with pytest.raises(AudioNotFoundError, match="--audio-root and the folder"):
        locate(found, None)
    with pytest.raises(AudioNotFoundError, match=r"no a\.wav was found"):
        locate(found, str(tmp_path))
    other = moved("april/a.wav")
    with pytest.raises(AudioNotFoundError, match=r"no a\.wav was found"):
        locate(found, str(tmp_path))  # another month's is not this one
    flat = moved("a.wav")
    assert locate(found, str(tmp_path)) == flat
    deep = moved("march/a.wav")
    assert locate(found, str(tmp_path)) == deep != other
    deep.write_bytes(b"something else")
    assert locate(found, str(tmp_path)) == flat
    flat.unlink()
    with pytest.raises(AudioNotFoundError, match="is not the file that was transcribed"):
        locate(found, str(tmp_path))
    remote = Source("x", "s3://bucket/march/b.wav", 5, None)
    with pytest.raises(AudioNotFoundError, match="copy the recordings to this machine"):
        locate(remote, None)
    assert locate(remote, str(moved("march/b.wav").parents[1])).name == "b.wav"
    outside = Source("x", "/data/../../etc/passwd", None, None)
    with pytest.raises(AudioNotFoundError):
        locate(outside, str(tmp_path / "march"))


@pytest.mark.parametrize(
    ("uri", "stamp", "part"),
    [
        ("/a.wav", "5:1.0", None),
        ("/a.wav#t=2.5,5", "5:1.0#t=2.5,5", FileStretch(2.5, 5.0)),
        ("/a.wav#t=2.5", "5:1.0#t=2.5", FileStretch(2.5)),
        ("/named#t=2.5", "5:1.0", None),
    ],
)
def test_where_a_recording_was_read(uri: str, stamp: str, part: Any) -> None:
    found = source("x", uri, stamp)
    assert found.part == part and found.bytes == 5
    assert found.uri == (uri if part is None else uri.partition("#")[0])
