"""TextGrid and ELAN, read back by the libraries that linguists use: nothing lost, nothing overlaps."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.result import Analysis, Entity, Segment, Speaker, Word
from unislu.writers import FORMATS, WriteOptions, get_writer
from unislu.writers.tiers import apart

from .test_channels import BOTH


def said(text: str, words: tuple[Word, ...] | None, entities: tuple[Entity, ...] | None = ()) -> Analysis:
    segment = Segment(0.25, 2.0, text, 0, len(text), words=words)
    return Analysis(
        text=text, duration=2.5, model="m", file="a b.wav", entities=entities, segments=(segment,)
    )


QUOTED = said(
    'Say "hi", <to> Ann & me',
    (Word("Say", 0.3, 0.5, 0, 3), Word('"hi",', 0.5, 0.5, 4, 9), Word("Ann", 0.9, 1.2, 15, 18)),
    (Entity("person", "Ann", 15, 18, start=0.9, end=1.2), Entity("org", "me", 21, 23)),
)


def textgrid(analysis: Analysis) -> Any:
    textgrids = pytest.importorskip("textgrids")
    grid = textgrids.TextGrid()
    grid.parse(get_writer("textgrid").content(analysis))
    return grid


def eaf(analysis: Analysis, folder: Path, options: WriteOptions | None = None) -> Any:
    pympi = pytest.importorskip("pympi")
    path = folder / "a.eaf"
    path.write_bytes(get_writer("elan", options).content(analysis))
    return pympi.Elan.Eaf(str(path))


def test_textgrid() -> None:
    grid = textgrid(QUOTED)
    assert list(grid) == ["segments", "words", "entities"] and (grid.xmin, grid.xmax) == (0.0, 2.5)
    shown = [(i.xmin, i.xmax, i.text.replace('""', '"')) for i in grid["segments"]]
    assert shown == [(0.0, 0.25, ""), (0.25, 2.0, 'Say "hi", <to> Ann & me'), (2.0, 2.5, "")]
    # A word without length has no room of its own.
    words = [(i.xmin, i.xmax, i.text.replace('""', '"')) for i in grid["words"] if i.text]
    assert words == [(0.3, 0.5, 'Say; "hi",'), (0.9, 1.2, "Ann")]
    entities = [(i.xmin, i.xmax, i.text) for i in grid["entities"] if i.text]
    # The one without a time begins with its segment, and the other is cut to what is left of it.
    assert entities == [(0.25, 2.0, "org: me; person: Ann")]
    for tier in grid.values():
        assert tier[0].xmin == 0 and tier[-1].xmax == 2.5
        assert all(a.xmax == b.xmin and a.xmin < a.xmax for a, b in pairwise(tier))


def test_elan(tmp_path: Path) -> None:
    document = eaf(QUOTED, tmp_path)
    assert list(document.get_tier_names()) == ["segments", "words", "entities"]
    assert document.get_annotation_data_for_tier("segments") == [(250, 2000, 'Say "hi", <to> Ann & me')]
    assert document.get_annotation_data_for_tier("words") == [(300, 500, 'Say; "hi",'), (900, 1200, "Ann")]
    (media,) = document.media_descriptors
    assert media["MEDIA_URL"] == "a%20b.wav" and media["MIME_TYPE"] == "audio/x-wav"
    linked = eaf(QUOTED, tmp_path, WriteOptions(audio="../calls/a.mp3"))
    assert linked.media_descriptors[0]["RELATIVE_MEDIA_URL"] == "../calls/a.mp3"


def test_speakers_have_tiers_of_their_own(tmp_path: Path) -> None:
    names = [f"Channel {n} - {kind}" for n in (1, 2) for kind in ("segments", "words", "entities")]
    assert list(textgrid(BOTH)) == names
    document = eaf(BOTH, tmp_path)
    assert list(document.get_tier_names()) == names
    assert document.tiers["Channel 2 - words"][2]["PARTICIPANT"] == "Channel 2"
    assert [label for *_, label in document.get_annotation_data_for_tier("Channel 2 - entities")] == [
        "person: Ann"
    ]


def test_turns_of_speakers() -> None:
    words = (Word("Hi", 0.3, 0.5, 0, 2, speaker="Ann"), Word("you", 0.9, 1.2, 3, 6, speaker="Bob"))
    segment = Segment(0.25, 2.0, "Hi you", 0, 6, words=words, speaker="Ann")
    speakers = (Speaker("Ann", 0.2), Speaker("Bob", 0.3))
    grid = textgrid(Analysis(text="Hi you", duration=2.0, model="m", segments=(segment,), speakers=speakers))
    assert list(grid) == ["Ann - segments", "Ann - words", "Bob - segments", "Bob - words", "speakers"]
    assert [i.text for i in grid["speakers"] if i.text] == ["Ann", "Bob"]
    assert [(i.xmin, i.text) for i in grid["Bob - segments"] if i.text] == [(0.9, "you")]


def test_nothing_was_said(tmp_path: Path) -> None:
    silent = Analysis(text="", duration=1.5, model="m", entities=())
    grid = textgrid(silent)
    assert [[(i.xmax, i.text) for i in tier] for tier in grid.values()] == [[(1.5, "")], [(1.5, "")]]
    document = eaf(silent, tmp_path)
    assert document.get_annotation_data_for_tier("segments") == [] and not document.media_descriptors


def test_only_what_was_asked_for() -> None:
    assert list(textgrid(said("Hi", None, None))) == ["segments"]
    for name in ("textgrid", "elan", "label-studio"):
        assert FORMATS[name].needs_text and FORMATS[name].one_file


def test_elan_holds_what_xml_cannot() -> None:
    text = "a\x00b\x0bc\ud800"
    content = get_writer("elan").content(said(text, None))
    values = [e.text for e in ElementTree.fromstring(content).iter("ANNOTATION_VALUE")]
    assert values == ["a\ufffdb c\ufffd"]


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.text("ab \n", min_size=1, max_size=4)), max_size=8
    )
)
def test_intervals_are_apart_and_whole(stretches: list[tuple[float, float, str]]) -> None:
    ordered = [(min(a, b), max(a, b), text) for a, b, text in stretches]
    found = apart(ordered)
    assert all(i.end > i.start >= 0 for i in found) and all(a.end <= b.start for a, b in pairwise(found))
    labels = [" ".join(text.split()) for *_, text in sorted(ordered, key=lambda s: s[:2])]
    assert "; ".join(i.label for i in found) == "; ".join(labels)
