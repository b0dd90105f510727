"""Every format of results: golden texts, escaping, and properties of the marked transcript."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.errors import OptionError
from unislu.result import Analysis, Entity, Segment, Sentiment, Word
from unislu.writers import FORMATS, WriteOptions, get_writer, terminal
from unislu.writers.spans import pieces
from unislu.writers.subtitles import hue, timestamp

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def example() -> Analysis:
    text = "Angela Merkel spoke in Berlin. She thanked <everyone> & left --> early."
    middle = text.index("She")
    return Analysis(
        text=text,
        duration=61.5,
        model="tiny 1",
        file="a&b.wav",
        language="en",
        entities=(Entity("PERSON", "Angela Merkel", 0, 13, 0.97), Entity("PLACE", "Berlin", 23, 29)),
        sentiment=Sentiment("neutral", {"positive": 0.07, "neutral": 0.9, "negative": 0.03}),
        segments=(
            Segment(0.0, 29.96, text[: middle - 1], 0, middle - 1),
            Segment(29.96, 31.0, "", middle - 1, middle - 1, no_speech=True),
            Segment(31.0, 61.5, text[middle:], middle, len(text)),
        ),
        warnings=("a&b.wav: is cut off",),
    )


def bare(text: str | None) -> Analysis:
    segments = () if text is None else (Segment(0.0, 1.0, text, 0, len(text)),)
    return Analysis(text=text, duration=1.0, model="m", segments=segments)


def test_terminal() -> None:
    assert terminal.render(example()) == (
        "a&b.wav · 61.5 s\n"
        "[Angela Merkel](PERSON) spoke in [Berlin](PLACE). She thanked <everyone> & left --> early.\n"
        "entities   2\n"
        "sentiment  neutral 90 % · positive 7 % · negative 3 %\n"
    )


def test_terminal_in_colour_says_the_same() -> None:
    shown = terminal.render(example(), color=True)
    assert "\x1b[" in shown and shown.count("\x1b[0m") >= 6
    plain = ANSI.sub("", shown)
    assert "Angela Merkel(PERSON) spoke in Berlin(PLACE)." in plain
    assert plain.splitlines()[2:] == terminal.render(example()).splitlines()[2:]


@pytest.mark.parametrize("color", [False, True])
def test_terminal_breaks_lines(color: bool) -> None:
    lines = ANSI.sub("", terminal.render(example(), color=color, width=30)).splitlines()
    assert all(len(line) <= 30 for line in lines[1:-2]) and len(lines) > 5


def test_terminal_is_not_steered_by_names() -> None:
    evil = Analysis(text="a\x1b[2Jb", duration=1.0, model="m", file="x\x1b]0;pwned\x07.wav\nfake")
    shown = terminal.render(evil)
    assert "\x1b" not in shown and "\x07" not in shown and len(shown.splitlines()) == 2


def test_terminal_says_what_was_not_found() -> None:
    nothing = Analysis(text="", duration=1.0, model="m", entities=())
    assert terminal.render(nothing) == "audio · 1.0 s\n(no speech)\nentities   none\n"
    assert terminal.render(bare(None)) == "audio · 1.0 s\n"


def test_json_and_lines() -> None:
    for name in ("json", "jsonl"):
        shown = get_writer(name).render(example())
        assert Analysis.from_dict(json.loads(shown)) == example() and shown.endswith("\n")
    assert get_writer("jsonl").render(example()).count("\n") == 1


def test_txt() -> None:
    assert get_writer("txt").render(bare("Hello.")) == "Hello.\n"


def test_srt() -> None:
    assert get_writer("srt").render(example()) == (
        "1\n00:00:00,000 --> 00:00:29,960\nAngela Merkel spoke in Berlin.\n"
        "\n"
        "2\n00:00:31,000 --> 00:01:01,500\nShe thanked <everyone> & left -> early.\n"
    )
    assert get_writer("srt").render(bare("")) == "\n"


def test_vtt() -> None:
    assert get_writer("vtt").render(example()) == (
        "WEBVTT\n"
        "\nSTYLE\n"
        "::cue(.person) { color: hsl(PERSON 90% 75%); }\n"
        "::cue(.place) { color: hsl(PLACE 90% 75%); }\n"
        "\n00:00:00.000 --> 00:00:29.960\n<c.person>Angela Merkel</c> spoke in <c.place>Berlin</c>.\n"
        "\n00:00:31.000 --> 00:01:01.500\nShe thanked &lt;everyone&gt; &amp; left --&gt; early.\n"
    ).replace("PERSON", str(hue("PERSON"))).replace("PLACE", str(hue("PLACE")))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00:00.000"), (59.9996, "00:01:00.000"), (3661.001, "01:01:01.001"), (360_000, "100:00:00.000")],
)
def test_timestamps(seconds: float, shown: str) -> None:
    assert timestamp(seconds) == shown


class _Reader(HTMLParser):
    """Collects tags and text; fails on tags that do not match."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name in ("src", "href") for name, _ in attrs), "the page must need nothing else"
        if tag not in ("meta",):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["small"]):
            self.text += data


def test_html() -> None:
    page = get_writer("html").render(example())
    reader = _Reader()
    reader.feed(page)
    assert reader.open == [] and reader.tags.count("mark") == 2 and "script" not in reader.tags
    spoken = [segment.text for segment in example().segments]
    assert all(text in reader.text for text in spoken) and "a&b.wav: is cut off" in reader.text
    assert "PERSON" in page and "97 %" in page and 'lang="en"' in page


def timed() -> Analysis:
    """Words with times in the first segment alone."""
    plain = example()
    words = tuple(
        Word(m[0], float(n), n + 0.5, m.start(), m.end())
        for n, m in enumerate(re.finditer(r"\S+", plain.segments[0].text))
    )
    first = replace(plain.segments[0], words=words)
    entities = tuple(replace(e, start=0.0, end=1.5) for e in plain.entities or ())
    return replace(plain, entities=entities, segments=(first, *plain.segments[1:]))


def test_html_plays_words_and_entities() -> None:
    page = get_writer("html", WriteOptions(audio='a&b".wav')).render(timed())
    assert '<audio controls preload="metadata" src="a&amp;b&quot;.wav"></audio>' in page
    assert page.count("<script>") == 1 and "http" not in page
    assert '<span data-t="2.000" data-end="2.500">spoke</span>' in page
    assert re.search(
        r'<mark [^>]*data-t="0.000"[^>]*><span data-t="0.000" data-end="0.500">Angela</span>', page
    )
    assert '<td data-t="0.000" tabindex="0" role="button">Berlin</td>' in page
    # A segment whose words have no times plays as a whole; each has its time in front.
    assert '<span data-t="31.000" data-end="61.500">She thanked' in page
    assert '<time data-t="31.000" tabindex="0" role="button">0:31</time>' in page
    assert "</mark>.</span></p>" in page, "a full stop is no word"


def test_html_without_audio_runs_nothing() -> None:
    page = get_writer("html").render(timed())
    assert "<script" not in page and "<audio" not in page and 'class="plays"' not in page


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), max_size=6))
def test_html_keeps_the_text(text: str, spans: list[tuple[int, int]]) -> None:
    found = [(start, min(len(text), start + length)) for start, length in spans if start < len(text)]
    words = tuple(Word(m[0], 0.0, 1.0, m.start(), m.end()) for m in re.finditer(r"\S+", text))
    analysis = Analysis(
        text=text,
        duration=1.0,
        model="m",
        entities=tuple(Entity("X", text[a:b], a, b, start=0.0, end=1.0) for a, b in found),
        segments=(Segment(0.0, 1.0, text, 0, len(text), words=words),),
    )
    page = get_writer("html", WriteOptions(audio="a.wav")).render(analysis)
    paragraph = re.search(r'<p class="text">(.*?)</p>', page, re.DOTALL)
    if text.strip():
        assert paragraph is not None
        shown = re.sub(r"<small>.*?</small>|<[^>]*>", "", paragraph[1], flags=re.DOTALL)
        assert unescape(shown) == text


def test_html_escapes_everything() -> None:
    evil = "<script>alert(1)</script>"
    analysis = Analysis(
        text=evil, duration=1.0, model=evil, file=evil, language='"><b>', warnings=(evil,),
        entities=(Entity(evil, evil, 0, len(evil)),), sentiment=Sentiment(evil, {evil: 1.0}),
    )  # fmt: skip
    reader = _Reader()
    reader.feed(get_writer("html").render(analysis))
    assert not {"script", "b"} & set(reader.tags)


@given(st.text(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=5))
def test_pieces_make_the_text_again(text: str, spans: list[tuple[int, int]]) -> None:
    entities = tuple(
        Entity("X", text[start : start + length], start, start + len(text[start : start + length]))
        for start, length in spans
        if start < len(text)
    )
    analysis = Analysis(text=text, duration=1.0, model="m", entities=entities)
    assert "".join(piece for piece, _ in pieces(analysis)) == text
    assert all(piece == entity.text for piece, entity in pieces(analysis) if entity is not None)


@given(st.text(max_size=200))
def test_every_format_takes_any_text(text: str) -> None:
    for name, writer in FORMATS.items():
        if writer.binary is not None or writer.needs_speakers:
            continue
        shown = writer.render(bare(text))
        assert shown.endswith("\n"), name


def test_unknown_format() -> None:
    with pytest.raises(OptionError, match="unknown format 'xml': choose from text, json"):
        get_writer("xml")
