"""The `normalized` style: the transcript in the form of SLUE's `normalized_text`, with its offsets.

Lower case; `. , ! ? ;` removed; apostrophes inside words split off (`Europe's` → `europe 's`). The model
always writes cased, punctuated text, and this is a function of it, so both styles agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from unislu.sequence.target import Span, resolve

STYLES = ("cased", "normalized")

_REMOVED = frozenset(".,!?;")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")


def normalize(text: str, spans: Sequence[Span]) -> tuple[str, tuple[Span, ...], tuple[int, ...]]:
    """The normalized text, the spans in it, and for each of them its index in `spans`.

    A span of which nothing remains (a lone full stop) is dropped.
    """
    split = {match.start() for match in _APOSTROPHE.finditer(text)}
    pieces = [_piece(text, index, split) for index in range(len(text))]
    starts = [0]
    for piece in pieces:
        starts.append(starts[-1] + len(piece))
    moved = [Span(starts[span.start], starts[span.end], span.type) for span in spans]
    return resolve("".join(pieces), moved)


def _piece(text: str, index: int, split: set[int]) -> str:
    """The replacement of one character: nothing, its lower case, or an apostrophe after a blank."""
    if index in split:
        return " '"
    character = "'" if text[index] == "’" else text[index]
    return "" if character in _REMOVED else character.lower()
