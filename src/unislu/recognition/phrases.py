"""Expected phrases as people give them: in a file, in a form, or as Python values."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from unislu.errors import OptionError
from unislu.sequence.labels import normalize_type
from unislu.sequence.phrases import Phrase

PhraseLike = str | Sequence[Any]
"""A phrase, or (phrase, weight) or (phrase, weight, type); a `Phrase` is one of these."""

MAX_PHRASES = 100_000
MAX_PHRASE_LENGTH = 200
MAX_WEIGHT = 10.0
COMMENT = "#"
PROMPT_WORDS = 4
_BETWEEN = re.compile(r"[,;:.!?](?=\s|$)|[\r\n\t]")


def read_vocabulary(path: str | os.PathLike[str]) -> tuple[Phrase, ...]:
    """The phrases of a file, one a line: `phrase`, or `phrase<TAB>weight<TAB>type`.

    Empty lines and those that begin with `#` are left out; a weight may be left empty.

    Raises:
        OptionError: the file cannot be read, has no phrase, or has a line that is not of that form.
    """
    place = os.fspath(path)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise OptionError(f"vocabulary {place}: cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        raise OptionError(f"vocabulary {place}: not UTF-8 ({error.reason} at byte {error.start})") from None
    return read_phrases(text, f"vocabulary {place}")


def read_phrases(text: str, place: str = "vocabulary") -> tuple[Phrase, ...]:
    """The phrases in the lines of a text, as `read_vocabulary`; `place` stands before every message."""
    values: list[PhraseLike] = []
    numbers: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith(COMMENT):
            continue
        values.append(_fields(line, f"{place}, line {number}"))
        numbers.append(number)
    if not values:
        raise OptionError(f"{place}: has no phrase; write one a line")
    return checked_phrases(values, [f"{place}, line {number}" for number in numbers])


def prompt_phrases(text: str) -> list[str]:
    """The names and words in a prompt as OpenAI's clients write it: `Kowalczyk, Zyloprim`, or one a line.

    What stands between commas, line breaks and ends of sentences is a phrase if it has at most `PROMPT_WORDS`
    words; anything longer is a sentence, which says nothing about spelling.
    """
    pieces = dict.fromkeys(" ".join(piece.split()) for piece in _BETWEEN.split(text))
    return [
        piece
        for piece in pieces
        if piece.isprintable()
        and any(map(str.isalnum, piece))
        and len(piece) <= MAX_PHRASE_LENGTH
        and len(piece.split()) <= PROMPT_WORDS
    ]


def checked_phrases(values: Iterable[PhraseLike], places: Sequence[str] | None = None) -> tuple[Phrase, ...]:
    """Phrases, each once, in their order.

    Args:
        values: phrases; blanks around and between their words do not count.
        places: for messages, where each stands.

    Raises:
        OptionError: there are none or more than `MAX_PHRASES`, or one is empty, too long, has an invalid
            weight or type, or is listed twice with different ones.
    """
    if isinstance(values, str | bytes):
        raise OptionError(f"vocabulary is {values[:40]!r}: give a sequence of phrases, e.g. ['Kowalczyk']")
    found: dict[str, Phrase] = {}
    for number, value in enumerate(values):
        place = f"vocabulary, phrase {number + 1}" if places is None else places[number]
        phrase = _checked(value, place)
        if found.setdefault(phrase.text, phrase) != phrase:
            raise OptionError(
                f"{place}: {phrase.text!r} is listed before with another weight or type: keep one of them"
            )
        if len(found) > MAX_PHRASES:
            raise OptionError(f"vocabulary has more than {MAX_PHRASES} phrases: name fewer")
    if not found:
        raise OptionError("vocabulary is empty: name at least one phrase, or leave it out")
    return tuple(found.values())


def _fields(line: str, place: str) -> PhraseLike:
    text, *rest = line.rstrip("\r").split("\t")
    if len(rest) > 2:
        raise OptionError(f"{place}: has {1 + len(rest)} columns: write phrase<TAB>weight<TAB>type")
    weight = rest[0].strip() if rest else ""
    try:
        number = float(weight) if weight else 1.0
    except ValueError:
        raise OptionError(f"{place}: the weight {weight[:40]!r} is not a number, as in 1.5") from None
    return text, number, rest[1].strip() or None if len(rest) > 1 else None


def _checked(value: PhraseLike, place: str) -> Phrase:
    text, weight, name = (value, 1.0, None) if isinstance(value, str) else _parts(value, place)
    if not isinstance(text, str):
        raise OptionError(f"{place}: {text!r} is no string")
    words = " ".join(text.split())
    if not words.isprintable():
        raise OptionError(f"{place}: {words[:40]!r} has unprintable characters")
    if not any(map(str.isalnum, words)):
        raise OptionError(f"{place}: {words[:40]!r} has no letter and no digit")
    if len(words) > MAX_PHRASE_LENGTH:
        raise OptionError(
            f"{place}: {words[:24]!r}… has {len(words)} characters: at most {MAX_PHRASE_LENGTH} are allowed"
        )
    number = isinstance(weight, int | float) and not isinstance(weight, bool) and math.isfinite(weight)
    if not number or not 0 < weight <= MAX_WEIGHT:
        raise OptionError(
            f"{place}: the weight {weight!r} of {words[:40]!r}: give a number above 0, at most {MAX_WEIGHT:g}"
        )
    if name is not None and (not isinstance(name, str) or not normalize_type(name)):
        raise OptionError(f"{place}: the entity type {name!r} of {words[:40]!r}: name it, or leave it out")
    return Phrase(words, float(weight), name)


def _parts(value: Sequence[Any], place: str) -> tuple[Any, Any, Any]:
    if not isinstance(value, Sequence) or not 1 <= len(value) <= 3:
        raise OptionError(f"{place}: {value!r} is neither a phrase nor (phrase, weight, type)")
    given: list[Any] = [*value]
    given += (1.0, None)[len(given) - 1 :]
    return given[0], given[1], given[2]
