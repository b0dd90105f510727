"""Results of channels heard apart: every writer for people says who speaks, and time goes forward."""

from __future__ import annotations

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from unislu.result import Analysis, Entity, Segment, Word
from unislu.writers import get_writer
from unislu.writers.subtitles import cues


def call(parts: list[tuple[int | None, float, str]], step: float = 0.4) -> Analysis:
    """Segments as (channel, start, text) with a word each `step` seconds."""
    text, segments = "", []
    for channel, start, said in parts:
        first = len(text) + bool(text)
        text = f"{text} {said}".strip()
        words = tuple(
            Word(m[0], start + step * n, start + step * n + 0.3, first + m.start(), first + m.end())
            for n, m in enumerate(re.finditer(r"\S+", said))
        )
        end = words[-1].end
        segments.append(Segment(start, end, said, first, first + len(said), words=words, channel=channel))
    entities = tuple(Entity("person", m[0], m.start(), m.end()) for m in re.finditer("Ann", text))
    duration = max(segment.end for segment in segments) + 1
    return Analysis(text=text, duration=duration, model="m", segments=tuple(segments), entities=entities)


BOTH = call(
    [(0, 0.0, "Hello this is Ann and I call about the bill."), (1, 2.0, "Yes Ann?"), (0, 6.0, "Well.")]
)


def starts(subtitles: str) -> list[str]:
    return re.findall(r"^(\S+) -->", subtitles, flags=re.M)


def test_who_says_what() -> None:
    lines = [
        "Channel 1: Hello this is Ann and I call about the bill.",
        "Channel 2: Yes Ann?",
        "Channel 1: Well.",
    ]
    assert get_writer("txt").render(BOTH) == "\n".join(lines) + "\n"
    shown = get_writer("text").render(BOTH)
    assert "Channel 2: Yes [Ann](person)?" in shown and "Channel 1: Well." in shown
    srt, vtt = get_writer("srt").render(BOTH), get_writer("vtt").render(BOTH)
    assert "\nChannel 2: Yes Ann?\n" in srt
    assert "\n<v Channel 2>Yes <c.person>Ann</c>?\n" in vtt
    assert starts(srt) == sorted(starts(srt)) and starts(vtt) == sorted(starts(vtt))
    assert max(len(line) for line in srt.splitlines()) <= 42


def test_a_transcript_has_one_line_for_a_segment() -> None:
    parts = [(None, 0.0, "Hello this is Ann."), (None, 6.0, "I call about the bill."), (None, 12.0, "Well.")]
    said = [text for _, _, text in parts]
    assert get_writer("txt").render(call(parts)).splitlines() == said
    two = call([(n % 2, start, text) for n, (_, start, text) in enumerate(parts[:2] * 2)])
    assert get_writer("txt").render(two).splitlines() == [
        f"Channel {n % 2 + 1}: {text}" for n, text in enumerate(said[:2] * 2)
    ]


def test_one_channel_needs_no_name() -> None:
    for channel in (None, 0, 1):
        one = call([(channel, 0.0, "Hello Ann."), (channel, 3.0, "Hello.")])
        for name in ("txt", "text", "srt", "vtt"):
            assert "Channel" not in get_writer(name).render(one)


@given(
    st.lists(
        st.tuples(st.sampled_from([0, 1]), st.floats(0, 30), st.integers(1, 30)), min_size=1, max_size=6
    ),
    st.sampled_from([0.3, 0.5]),
)
def test_cues_go_forward_and_can_be_read(parts: list[tuple[int, float, int]], step: float) -> None:
    position = {0: 0.0, 1: 0.0}
    placed = []
    for channel, start, count in sorted(parts, key=lambda part: part[1]):
        begin = max(start, position[channel])
        position[channel] = begin + step * count + 0.1
        placed.append((channel, begin, " ".join(["word"] * count)))
    analysis = call(sorted(placed, key=lambda part: part[1]), step)
    found = cues(analysis)
    assert all(a.start <= b.start for a, b in pairwise(found))
    assert all(cue.end > cue.start for cue in found)
    for speaker in {cue.speaker for cue in found}:
        own = [cue for cue in found if cue.speaker == speaker]
        assert all(a.end <= b.start + 1e-6 for a, b in pairwise(own))
