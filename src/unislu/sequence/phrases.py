"""Expected phrases: names and words that a model would otherwise spell by their sound."""

from __future__ import annotations

from typing import NamedTuple


class Phrase(NamedTuple):
    """A phrase as it should be written, how strongly it is expected, and its entity type."""

    text: str
    weight: float = 1.0
    """1 is the measured default, 2 twice as strong."""
    type: str | None = None
    """Spelled as results spell it; None = of no known type."""


def spellings(text: str) -> tuple[str, ...]:
    """`text`; given without a capital, also with capitals: it may begin a sentence, or be a name."""
    words = text.split()
    given = " ".join(words)
    if given != given.lower():
        return (given,)
    capitalised = [word[:1].upper() + word[1:] for word in words]
    return tuple(dict.fromkeys((given, " ".join([*capitalised[:1], *words[1:]]), " ".join(capitalised))))


def unspaced(char: str) -> bool:
    """Whether the character's script is written without blanks between words."""
    code = ord(char)
    return any(low <= code <= high for low, high in _UNSPACED)


_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x9FFF),  # Han, Kana and their signs
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
