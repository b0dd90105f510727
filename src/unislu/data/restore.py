"""Give normalised corpora back their casing and punctuation.

SLUE, MIT, SNIPS, ATIS and SLURP come in lower case without punctuation. Trained on as they are, they
teach a model whose transcripts used to read like Whisper's to write lower case. Restoration has two
steps, each useful alone:

* `Truecaser` learns how words are written from corpora that kept their case and applies it, together
  with the gold entities (a name is capitalised) and the first word of a sentence;
* `insert_punctuation` merges marks that a recogniser was found to prefer (see `unislu.training.restore`)
  or, without any, closes the sentence with `.` or `?`.

Entity offsets move with the text, so a restored record is as exact as the one it came from.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from unislu.data.abbreviations import capitals
from unislu.sequence.labels import normalize_type
from unislu.sequence.target import Span, Target

#: Types whose phrases are names in every corpus at hand: their words are capitalised.
NAME_TYPES = frozenset(
    "person people-name actor director character artist author name org organization organisation place "
    "location gpe loc norp law restaurant-name title song album playlist track movie-name city state country "
    "company facility fac cuisine city-name state-name airport-name airline-name band writer album-name "
    "song-name soundtrack fromloc-city-name toloc-city-name stoploc-city-name fromloc-airport-name "
    "toloc-airport-name fromloc-state-name toloc-state-name other-person athlete politician cleric scientist "
    "sports-manager sports-team musical-group human-settlement film-or-tv-show written-work musical-work "
    "artwork public-corporation private-corporation car-manufacturer aerospace-manufacturer station "
    "geopolitical-entity departure-city destination-city artist-name business-name place-name song-name "
    "other-location theater-name podcast-name audiobook-name game-name radio-name app-name restaurant-name "
    "hotel-name".split()
) - {"location", "cuisine", "title", "name"}
#: Words inside a name that stay small.
SMALL = frozenset("a an and as at by de for from in into of on or the to von with".split())
QUESTION_STARTS = frozenset(
    "what what's whats who who's whos whom whose which when where where's why how how's is are am was were "
    "do does did can could will would should may has have had isn't aren't don't doesn't".split()
)
#: Words that are written with a capital wherever they stand.
ALWAYS = {
    "i": "I", "i'm": "I'm", "i'd": "I'd", "i'll": "I'll", "i've": "I've", "mr": "Mr", "mrs": "Mrs",
}  # fmt: skip
#: English words that a headline or a sentence start would teach to capitalise wrongly.
AMBIGUOUS = frozenset(
    "may will march bill mark us it who sue rose grant frank rich turkey hope grace".split()
)
_WORD = re.compile(r"\S+")


@dataclass
class Truecaser:
    """Most frequent written form of each lower-case word, counted away from sentence starts."""

    forms: dict[str, str] = field(default_factory=dict)

    @classmethod
    def learn(cls, texts: Iterable[str], least: int = 2) -> Truecaser:
        """Count forms in cased texts; texts that are mostly upper case (headlines) are left out."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for text in texts:
            letters = [c for c in text if c.isalpha()]
            if not letters or sum(c.isupper() for c in letters) > 0.4 * len(letters):
                continue
            previous = "."
            for word in text.split():
                bare = word.strip(".,!?;:\"'()")
                if bare and previous[-1] not in '.!?:"':
                    counts[bare.lower()][bare] += 1
                previous = word
        forms = {}
        for word, seen in counts.items():
            form, n = seen.most_common(1)[0]
            if n >= least and form != word and word not in AMBIGUOUS and n > 0.7 * seen.total():
                forms[word] = form
        return cls(forms)

    def word(self, word: str, *, name: bool = False, whole_name: bool = False) -> str:
        """One word (no spaces) in its usual form; inside a name an unknown word is capitalised."""
        core = word.rstrip(".,!?;:")
        tail = word[len(core) :]
        low = core.lower()
        stem, apostrophe, suffix = low.partition("'")
        abbreviation = capitals(stem, whole_name=whole_name)
        if low in ALWAYS:
            form = ALWAYS[low]
        elif abbreviation and suffix in {"s", ""}:
            form = abbreviation + apostrophe + suffix
        elif low in self.forms:
            form = self.forms[low]
        elif apostrophe and suffix in {"s", ""} and (stem in self.forms or name):
            form = self.forms.get(stem, stem[:1].upper() + stem[1:]) + apostrophe + suffix
        elif name and low not in SMALL:
            form = "-".join(part[:1].upper() + part[1:] for part in low.split("-"))
        else:
            form = low
        return form + tail

    def restore(self, target: Target) -> Target:
        """Case every word of a lower-case target; lengths do not change, so offsets stay."""
        names = [span for span in target.entities or () if normalize_type(span.type) in NAME_TYPES]
        named = {place for span in names for place in range(span.start, span.end)}
        whole = {(span.start, span.end) for span in names}
        pieces, cursor, start_of_sentence = [], 0, True
        for match in _WORD.finditer(target.text):
            start, end = match.span()
            word = self.word(match.group(), name=start in named, whole_name=(start, end) in whole)
            if len(word) != len(match.group()):  # a form of another length would move offsets
                word = match.group()
            if start_of_sentence:
                word = word[:1].upper() + word[1:]
            start_of_sentence = word[-1] in ".!?"
            pieces += [target.text[cursor : match.start()], word]
            cursor = match.end()
        text = "".join([*pieces, target.text[cursor:]])
        return Target(text, target.entities, target.sentiment)


def insert_punctuation(target: Target, marks: Mapping[int, str] | None = None) -> Target:
    """Insert `marks[k]` after the k-th word; capitalise after `.` and `?`; close the sentence.

    Without a mark after the last word, `?` follows a text that starts like a question and `.` any other.
    """
    words = [(m.start(), m.end()) for m in _WORD.finditer(target.text)]
    if not words:
        return target
    marks = dict(marks or {})
    if target.text[words[-1][1] - 1] not in ".!?" and marks.get(len(words) - 1, ",") not in ".!?":
        first = target.text[: words[0][1]].lower()
        marks[len(words) - 1] = "?" if first in QUESTION_STARTS else "."
    inserts: list[tuple[int, str]] = []
    text = list(target.text)
    for k, mark in sorted(marks.items()):
        end = words[k][1]
        if target.text[end - 1] in ",.!?;:":
            continue
        inserts.append((end, mark))
        if mark in ".?!" and k + 1 < len(words):
            at = words[k + 1][0]
            text[at] = text[at].upper() if len(text[at].upper()) == 1 else text[at]
    return _insert(Target("".join(text), target.entities, target.sentiment), inserts)


def _insert(target: Target, inserts: Sequence[tuple[int, str]]) -> Target:
    """Insert strings at character positions; a span that ends where a mark goes does not swallow it."""
    pieces, cursor = [], 0
    for at, mark in inserts:
        pieces += [target.text[cursor:at], mark]
        cursor = at
    text = "".join([*pieces, target.text[cursor:]])

    def moved(position: int, *, inclusive: bool) -> int:
        return position + sum(len(m) for at, m in inserts if at < position or (inclusive and at == position))

    entities = None
    if target.entities is not None:
        entities = tuple(
            Span(moved(s.start, inclusive=True), moved(s.end, inclusive=False), s.type)
            for s in target.entities
        )
    return Target(text, entities, target.sentiment)
