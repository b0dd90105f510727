"""Which of a recording's names are the same person's: a part of a full name, and the full name.

`Sanchez` and `Ms. Sanchez` are `Maria Sanchez` if no other full name of the recording has that word. What
could be two persons stays apart, so that nobody is taken for somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..sequence.labels import normalize_type
from .matches import PERSONS, Match
from .phrases import letters

_FORMS = {
    "mr": "he", "mister": "he", "sir": "he", "mrs": "she", "ms": "she", "miss": "she", "madam": "she",
    "dr": "", "doctor": "", "prof": "", "professor": "",
}  # fmt: skip
"""Forms of address before a name, and of whom they say what."""
_BEHIND = frozenset("phd md esq".split())
_GENERATIONS = frozenset("jr junior sr senior ii iii iv".split())
"""Of two persons with one name."""
_POSSESSIVE = re.compile(r"['’]s?$")

Words = tuple[str, ...]


class Names:
    """The persons' names of one recording, by the type of their entities."""

    def __init__(self, matches: Iterable[Match]) -> None:
        self._forms: dict[str, dict[Words, set[str]]] = {}
        for match in matches:
            kind = normalize_type(match.type)
            if kind in PERSONS:
                words, forms = _apart(match.phrase)
                self._forms.setdefault(kind, {}).setdefault(words, set()).update(forms)

    def of(self, match: Match, said: str) -> str:
        """The name under which a match is known; `said`: its words in the text.

        A surname without a tag is a match of the first full name that ends in it: what was said counts.
        """
        words, _ = _apart(match.phrase)
        here, _ = _apart(said)
        is_part = match.entity is None and len(words) > 1 and not _has(here, words)
        return self.known(match.type, words[-1] if is_part else match.phrase)

    def known(self, entity_type: str, phrase: str) -> str:
        """The one full name that has the words of `phrase`; `phrase` itself if there is none, or several."""
        names = self._forms.get(normalize_type(entity_type))
        words, forms = _apart(phrase)
        if names is None or not words:
            return phrase
        whole = _whole(words, names)
        addressed = forms | names.get(words, set()) | names.get(whole, set())
        return phrase if len(addressed) > 1 else " ".join(whole)


def _apart(phrase: str) -> tuple[Words, set[str]]:
    """The folded words of a name without forms of address, and whether these are a man's or a woman's."""
    words = [letters(_POSSESSIVE.sub("", word)) for word in phrase.split()]
    words = [word for word in words if word and word not in _BEHIND]
    forms = set()
    while len(words) > 1 and words[0] in _FORMS:
        forms.add(_FORMS[words.pop(0)])
    return tuple(words), forms - {""}


def _whole(words: Words, names: Iterable[Words]) -> Words:
    """The longest name that has the words in a row, if there is only one; else the words."""
    longer = [name for name in names if len(name) > len(words) and _has(name, words)]
    if any(not (set(name) - set(words)) - _GENERATIONS for name in longer):
        return words  # a father and his son
    longest = [name for name in longer if not any(_has(other, name) for other in longer if other != name)]
    return longest[0] if len(longest) == 1 else words


def _has(name: Words, words: Words) -> bool:
    """Whether `words` stand in a row in `name`."""
    return any(name[first : first + len(words)] == words for first in range(len(name) - len(words) + 1))
