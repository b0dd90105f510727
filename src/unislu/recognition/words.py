"""Words with times and confidences, from a parsed transcript and its alignment with the audio.

A word is what stands between blanks, so punctuation belongs to its word; a mark on its own joins the word
before it. Tokens that write no text (openers, type names, closers, tags) belong to no word: their rows are
left out of the alignment, and their time goes to their neighbours.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unislu.decoding.alignment import SECONDS, quietness, word_positions
from unislu.result import Word
from unislu.sequence.reader import Parsed
from unislu.sequence.target import Span

from .style import normalize

DIGITS = 3
"""Decimals of times in seconds."""

LETTERS_OF_A_DIGIT = 5

Chunk = tuple[int, int]
"""Characters of a word, end exclusive."""

_CHUNK = re.compile(r"\S+")
_SIGNS = frozenset("$€£%&+=@")
_SPOKEN = re.compile(r"\w")


def chunks(text: str) -> list[Chunk]:
    """The words of a text: `Paris - in May.` is `Paris -`, `in`, `May.`."""
    found: list[Chunk] = []
    for match in _CHUNK.finditer(text):
        start, end = match.span()
        lone = _SPOKEN.search(text, start, end) is None
        previous_lone = len(found) == 1 and _SPOKEN.search(text, *found[0]) is None
        if found and (lone or previous_lone):
            start = found.pop()[0]
        found.append((start, end))
    return found


def spoken_length(word: str) -> int:
    """How long a word takes to say, in letters: a digit counts as a word, and so does a currency or percent
    sign.
    """
    letters = sum(character.isalpha() for character in word)
    digits = sum(character.isdigit() or character in _SIGNS for character in word)
    return max(1, letters + LETTERS_OF_A_DIGIT * digits)


def words_of(
    parsed: Parsed,
    logprobs: Sequence[float],
    alignment: NDArray[np.float32] | None,
    duration: float,
    level: NDArray[np.float32] | None = None,
) -> tuple[Word, ...] | None:
    """The words of one window; seconds from its start, characters of its transcript.

    Args:
        parsed: the parsed ids.
        logprobs: of every id.
        alignment: `[tokens, audio]` of the first ids, or None if words have no times.
        duration: seconds of the window.
        level: dB of each 10 ms of the window, `[frames]`; moves the edges of words to where there is sound.

    Returns:
        One for each of `chunks(text)`, in order, never overlapping; None without an alignment.
    """
    if alignment is None:
        return None
    text = parsed.target.text
    places = chunks(text)
    if not places:
        return ()
    owned = _owned_tokens(places, parsed.token_spans[: len(alignment)])
    quiet = None if level is None else quietness(level, alignment.shape[1])
    lengths = [spoken_length(text[start:end]) for start, end in places]
    positions = word_positions(alignment, owned, lengths, quiet)
    edges = _ordered([(first * SECONDS, end * SECONDS) for first, end in positions], duration)
    return tuple(
        Word(text[a:b], round(start, DIGITS), round(end, DIGITS), a, b, _confidence(logprobs, tokens))
        for (a, b), (start, end), tokens in zip(places, edges, owned, strict=True)
    )


def _owned_tokens(places: Sequence[Chunk], token_spans: Sequence[tuple[int, int] | None]) -> list[list[int]]:
    """For each word the tokens that write some of it; a word without any shares its neighbour's."""
    owned: list[list[int]] = [[] for _ in places]
    word = 0
    for token, span in enumerate(token_spans):
        if span is None:
            continue
        while word + 1 < len(places) and places[word][1] <= span[0]:
            word += 1
        for number in range(word, len(places)):
            if number > word and places[number][0] >= span[1]:
                break
            owned[number].append(token)
    for number in range(1, len(owned)):
        owned[number] = owned[number] or owned[number - 1][-1:]
    first = next((tokens[:1] for tokens in owned if tokens), [])
    return [tokens or first for tokens in owned]


def _ordered(edges: Sequence[tuple[float, float]], duration: float) -> list[tuple[float, float]]:
    """Positions clipped to the audio and without overlaps: a shared position goes to the later word."""
    starts = [min(start, duration) for start, _ in edges]
    ends = [min(end, following) for (_, end), following in zip(edges, [*starts[1:], duration], strict=True)]
    return [(start, max(start, end)) for start, end in zip(starts, ends, strict=True)]


def _confidence(logprobs: Sequence[float], tokens: Sequence[int]) -> float:
    """Geometric mean of the tokens' probabilities."""
    mean = math.fsum(logprobs[token] for token in tokens) / len(tokens)
    return min(1.0, math.exp(mean))


def shifted(words: Sequence[Word], start: float, end: float, characters: int) -> tuple[Word, ...]:
    """The words of a window from `start` to `end` (seconds of the file) as words of the file."""
    last = round(end, DIGITS)  # rounding twice may exceed it
    return tuple(
        replace(
            word,
            start=min(round(word.start + start, DIGITS), last),
            end=min(round(word.end + start, DIGITS), last),
            start_char=word.start_char + characters,
            end_char=word.end_char + characters,
        )
        for word in words
    )


def respelled(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words of `text` in the `normalized` style; a word that becomes two shares its time by letters."""
    spans = [Span(word.start_char, word.end_char, "") for word in words]
    new, places, kept = normalize(text, spans)
    found: list[Word] = []
    for number, place in zip(kept, places, strict=True):
        word, letters = words[number], place.end - place.start
        for first, last in chunks(new[place.start : place.end]):
            pace = (word.end - word.start) / letters
            start = word.start if first == 0 else round(word.start + first * pace, DIGITS)
            end = word.end if last == letters else round(word.start + last * pace, DIGITS)
            a, b = place.start + first, place.start + last
            found.append(Word(new[a:b], start, end, a, b, word.confidence))
    return tuple(found)
