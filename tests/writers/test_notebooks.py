"""Results in a notebook and in spaCy, without a file between."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest

from unislu.errors import MissingDependencyError
from unislu.result import Analysis, Entity

from .test_channels import BOTH
from .test_tables import example as table_example
from .test_writers import example


class _Piece(HTMLParser):
    """Collects tags, attributes and text; fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.styles: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.names |= {tag, *(name for name, _ in attrs)}
        self.styles += [value or "" for name, value in attrs if name == "style"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(analysis: Analysis) -> _Piece:
    piece = _Piece()
    piece.feed(analysis._repr_html_())
    piece.close()
    assert not piece.open
    return piece


def test_a_notebook_shows_the_transcript() -> None:
    piece = shown(example())
    assert "Angela Merkel PERSON spoke in Berlin PLACE." in piece.text
    assert "She thanked <everyone> & left --> early." in piece.text and "a&b.wav · 1:01" in piece.text
    assert (
        "neutral 90 % · positive 7 % · negative 3 %" in piece.text and "⚠ a&b.wav: is cut off" in piece.text
    )
    # Nothing runs, nothing is loaded, and no colour is set that a dark page could not show.
    assert piece.names == {"div", "span", "mark", "small", "style"}
    assert not any("color:" in s.replace("color: inherit", "") for s in piece.styles)


def test_a_notebook_shows_who_speaks() -> None:
    assert "0:00 Channel 1 Hello this is Ann person" in shown(BOTH).text


@pytest.mark.parametrize(
    ("analysis", "text"),
    [(Analysis(text=None, duration=1.0, model="m"), "no transcript was asked for"),
     (Analysis(text="", duration=1.0, model="m", entities=()), "no speechentities: none")],
)  # fmt: skip
def test_a_notebook_says_what_was_not_found(analysis: Analysis, text: str) -> None:
    assert text in shown(analysis).text


def test_names_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    analysis = Analysis(
        text=evil,
        duration=1.0,
        model=evil,
        file=evil,
        entities=(Entity(evil, evil, 0, len(evil)),),
        warnings=(evil,),
    )
    piece = shown(analysis)
    assert "script" not in piece.names and piece.text.count(evil) == 5


def test_a_spacy_document() -> None:
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    doc = table_example().to_spacy(nlp)
    assert doc.vocab is nlp.vocab and not doc.has_annotation("SENT_START")
    assert [(e.text, e.label_) for e in doc.ents] == [("Ann O'Brien", "PERSON"), ("555-1234", "phone number")]
    assert doc.cats == {"neutral": 0.75, "positive": 0.25} and doc.user_data["file"] == "a.wav"
    assert len(list(nlp(doc).sents)) == 2 and len(doc.ents) == 2
    assert table_example().to_spacy().text == table_example().text


def test_spacy_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "\.\[spacy\]"'):
        table_example().to_spacy()
