"""CoNLL-2003's two columns: a token and its tag (`B-PERSON`, `I-PERSON`, `O`), a blank line after a sentence.

Open entity types are written without blanks, as prompts normalise them: `B-phone-number`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..result import Analysis
from ..sequence.labels import normalize_type
from .spans import pieces

_TOKEN = re.compile(r"\w+(?:[.,:'’-]\w+)*|[^\w\s]+")
_SENTENCE_ENDS = frozenset(".?!…")


def render(analysis: Analysis) -> str:
    """The document, after the line that begins one; documents can be concatenated."""
    lines = ["-DOCSTART-\tO", ""]
    cuts = {segment.start_char for segment in analysis.segments}
    for start, token, tag in _tokens(analysis):
        if start in cuts and lines[-1]:
            lines.append("")
        lines.append(f"{token}\t{tag}")
        if tag == "O" and token[-1] in _SENTENCE_ENDS:
            lines.append("")
    if lines[-1]:
        lines.append("")
    return "\n".join(lines) + "\n"


def _tokens(analysis: Analysis) -> Iterator[tuple[int, str, str]]:
    """(first character, token, tag)."""
    position = 0
    for text, entity in pieces(analysis):
        prefix = "B"
        for match in _TOKEN.finditer(text):
            tag = "O" if entity is None else f"{prefix}-{_label(entity.type)}"
            yield position + match.start(), match[0], tag
            prefix = "I"
        position += len(text)


def _label(name: str) -> str:
    """A tag without blanks; closed types are kept as they are."""
    return name if name.isupper() and not re.search(r"\s", name) else normalize_type(name)
