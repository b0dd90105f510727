"""One answer for sound and text: what is masked is covered whole, and what is covered whole is masked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unislu.errors import VerificationError
from unislu.redact import Pseudonyms, Redaction
from unislu.redact.cover import Cover
from unislu.redact.places import EDGE, UNRECOGNISED, Hidden, covers_of, is_covered
from unislu.result import Analysis, Entity, Segment, Word

RATE = 8000
SECONDS = 20.0

Said = tuple[float, float]


def recording(
    channels: Sequence[Sequence[Said]],
    tagged: Sequence[int] = (),
    failed: Sequence[int] = (),
    untimed: Sequence[int] = (),
    name: str = "w",
) -> Analysis:
    """A segment for each channel; its words, all different, are said at these times.

    `tagged`: numbers of words; `failed`, `untimed`: of segments.
    """
    text, words, segments = "", [], []
    for number, times in enumerate(channels):
        first, mine = len(text), []
        for start, end in times:
            said = f"{name}{len(words)}x"
            mine.append(Word(said, start, end, len(text), len(text) + len(said)))
            words.append(mine[-1])
            text += f"{said} "
        end = max([1.0, *(word.end for word in mine)])
        shown = text[first:].rstrip()
        segments.append(
            Segment(
                0.0,
                end,
                shown,
                first,
                first + len(shown),
                words=None if number in untimed else tuple(mine),
                failed="loop" if number in failed else None,
                channel=number,
            )
        )
    return Analysis(
        text=text.rstrip(),
        duration=SECONDS,
        model="m",
        entities=tuple(
            Entity("person", w.text, w.start_char, w.end_char)
            for n, w in enumerate(words)
            if n in tagged
        ),
        segments=tuple(segments),
    )  # fmt: skip


def all_words(analysis: Analysis) -> list[Word]:
    return [word for segment in analysis.segments for word in segment.words or ()]


def left(redaction: Redaction) -> set[str]:
    """The words that can still be read."""
    text = redaction.redacted(Pseudonyms("mask")).text or ""
    return set(text.replace("█", " ").split())


def silent(redaction: Redaction, words: Sequence[Word]) -> set[str]:
    """The words of which no sample is left."""
    samples = np.full((round(SECONDS * RATE), 1), 0.5, np.float32)
    Cover(redaction.covers, RATE, "silence", 0.0).apply(samples, 0)
    return {
        word.text
        for word in words
        if not samples[int(word.start * RATE) : max(1 + int(word.start * RATE), -int(-word.end * RATE))].any()
    }


def agrees(redaction: Redaction) -> bool:
    """Whether exactly the words that cannot be heard cannot be read."""
    words = all_words(redaction.analysis)
    read = left(redaction)
    return {word.text for word in words if word.text not in read} == silent(redaction, words)


FOUR = [(1.0, 1.4), (1.4, 1.5), (1.5, 2.0), (2.0, 2.1), (2.3, 2.8)]


def test_a_short_word_within_the_guard_is_part_of_the_replacement() -> None:
    analysis = recording([FOUR], tagged=[2])
    narrow, usual = Redaction(analysis, guard=0.05), Redaction(analysis, guard=0.15)
    assert left(narrow) == {"w0x", "w1x", "w3x", "w4x"} and agrees(narrow)
    assert usual.redacted(Pseudonyms("type")).text == "w0x [PERSON] w4x" and agrees(usual)
    assert usual.spans == ((1.5, 2.0),)
    assert np.allclose(usual.covers, [(1.3, 2.2)]), "and what is covered beside it has an edge of its own"
    (entity,) = usual.redacted(Pseudonyms("type")).entities or ()
    assert (entity.type, entity.text) == ("person", "[PERSON]")


def test_what_stands_beside_a_name_does_not_change_its_hash() -> None:
    key = Pseudonyms("hash", b"0123456789abcdef")
    hashes = {
        (Redaction(recording([FOUR], tagged=[2]), guard=guard).redacted(key).text or "").split("[")[1][:20]
        for guard in (0.05, 0.15)
    }
    assert len(hashes) == 1


def test_without_sound_the_guard_means_nothing() -> None:
    done = Redaction(recording([FOUR], tagged=[2]), guard=0.15, sound=False)
    assert done.redacted(Pseudonyms("type")).text == "w0x w1x [PERSON] w3x w4x"


def test_what_another_channel_says_meanwhile_is_masked() -> None:
    other = [(0.2, 0.9), (1.6, 1.9), (2.0, 2.6)]
    done = Redaction(recording([FOUR, other], tagged=[2]), guard=0.1)
    assert left(done) == {"w0x", "w4x", "w5x", "w7x"} and agrees(done)
    assert (done.redacted(Pseudonyms("type")).text or "").endswith("w5x [PERSON] w7x")


def test_a_segment_that_failed_is_neither_transcribed_nor_read() -> None:
    done = Redaction(recording([FOUR, [(5.0, 5.5), (6.0, 6.5)]], tagged=[2], failed=[1]), guard=0.1)
    assert left(done) == set() and agrees(done), "the segment begins with the recording"
    result = Redaction(recording([[(0.0, 0.5)], [(5.0, 5.5)]], failed=[0]), guard=0.1)
    assert result.redacted(Pseudonyms("type")).text == "[PART-THAT-WAS-NOT-UNDERSTOOD] w1x"
    assert result.redacted(Pseudonyms("type")).entities == (), "nobody knows what it is"


def test_words_without_times_go_with_their_segment() -> None:
    analysis = recording([FOUR, [(9.0, 9.5)]], tagged=[2], untimed=[0])
    done = Redaction(analysis, guard=0.1, untimed="segment")
    assert done.covers == ((0.0, 2.9),) and left(done) == {"w5x"}


def test_what_a_later_transcription_finds_is_neither_transcribed_nor_read() -> None:
    times = [(n / 2, n / 2 + 0.4) for n in range(12)]
    done = Redaction(recording([times], tagged=[2]), guard=0.1)
    again = recording([[(0.0, 0.4), (0.5, 0.9), (3.1, 3.5), *times[8:], *times[8:]]], tagged=[2], name="v")
    assert done.goes_on([again]) and len(done.spans) == 2
    assert done.spans[1] == pytest.approx((2.8, 3.8))
    assert left(done) == {f"w{n}x" for n in (0, 1, 3, 4, 5, 8, 9, 10, 11)} and agrees(done)
    part = recording([[(0.0, 0.4), *times[8:], *times[8:]], [(3.0, 3.4)]], failed=[1], name="v")
    done = Redaction(recording([times], tagged=[2]), guard=0.1)
    assert done.goes_on([part]) and agrees(done), "what was not understood is masked too"
    assert UNRECOGNISED in {leak.type for leak in done.leaks} and "w6x" not in left(done)


def test_too_little_between_two_covers_is_covered() -> None:
    first = Hidden("", "a", (1.0, 1.5))
    silence = recording([[]])
    assert covers_of(silence, [first, Hidden("", "a", (1.52, 2.0))], 0.0) == ((1.0, 2.0),)
    apart = covers_of(silence, [Hidden("", "a", (1.6, 2.0)), first], 0.0)
    assert apart == ((1.0, 1.5), (1.6, 2.0))
    assert is_covered(1.0, 1.5, apart) and not is_covered(1.4, 1.7, apart) and not is_covered(0.0, 0.1, apart)


@st.composite
def said(draw: st.DrawFn) -> list[Said]:
    """Words in the order of time; some have no length, as those that the model squeezes in do."""
    places = draw(st.lists(st.integers(0, 600), min_size=2, max_size=16).map(sorted))
    return [(a / 50, b / 50) for a, b in list(pairwise(places))[:: draw(st.sampled_from([1, 2]))]]


@st.composite
def redactions(draw: st.DrawFn) -> tuple[Redaction, float]:
    """Of one or two channels that were heard, after none to three hearings of a copy; and its guard."""
    channels = draw(st.lists(said(), min_size=1, max_size=2))
    count = sum(map(len, channels))
    tagged = draw(st.lists(st.integers(0, count - 1), max_size=4))
    failed = draw(st.lists(st.integers(0, 2), max_size=1))
    guard = draw(st.sampled_from([0.0, 0.05, 0.15, 0.5]))
    done = Redaction(recording(channels, tagged, failed), guard=guard)
    filler = [(SECONDS - 1, SECONDS)] * 2 * count
    for number in range(draw(st.integers(0, 3))):
        heard = draw(said())
        again = recording(
            [heard, filler],
            draw(st.lists(st.integers(0, len(heard) - 1), min_size=1, max_size=2)),
            draw(st.lists(st.just(0), max_size=1)),
            name="vu"[number % 2],
        )
        try:
            if not done.goes_on([again]):
                break
        except VerificationError:
            pytest.fail("the filler is enough to vouch for it")
    return done, guard


@given(redactions())
def test_sound_and_text_agree(drawn: tuple[Redaction, float]) -> None:
    done, guard = drawn
    assert agrees(done)
    edge, read = min(EDGE, guard), left(done)
    for word in all_words(done.analysis):
        if word.text not in read:
            assert is_covered(max(0.0, word.start - edge), word.end + edge, done.covers)
    result = done.redacted(Pseudonyms("type"))
    assert Analysis.from_dict(result.to_dict()) == result, "offsets and indices hold"
    ordered = [(entity.start_char, entity.end_char) for entity in result.entities or ()]
    assert all(before[1] <= after[0] for before, after in pairwise(ordered))
    assert len(result.segments) == len(done.analysis.segments)
