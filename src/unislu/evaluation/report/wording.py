"""Words and numbers as reports write them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from unislu.evaluation.bootstrap import Interval
from unislu.evaluation.entity_errors import Kind
from unislu.evaluation.evaluate import ScoredPart
from unislu.progress import clock

KIND_TITLES: dict[Kind | str, str] = {
    "correct": "type and phrase agree",
    "misheard": "right type and place, other words",
    "type": "right phrase, other type",
    "boundary": "right type, overlapping words",
    "overlap": "other type, overlapping words",
    "missed": "no counterpart found",
    "spurious": "no counterpart annotated",
}
PROFILE_TITLES = {
    "slue": "Profile slue: lower case, no punctuation, apostrophes split off.",
    "unislu": "Profile unislu: both sides through Whisper’s English normaliser.",
    "whisperner": "Profile whisperner: lower case, contractions expanded, no punctuation or brackets.",
}


def rate(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where it is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def bounds(interval: Interval) -> str:
    """`1.2 – 3.4`; a dash where no resample holds anything to score."""
    return f"{interval.low:.1f} – {interval.high:.1f}" if math.isfinite(interval.low) else "–"


def table(heads: Sequence[str], rows: Iterable[Iterable[str]], left: int = 1) -> list[str]:
    """The lines of a Markdown table; `left`: how many columns are aligned to the left."""
    head, *lines = (
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in (heads, *rows)
    )
    return [head, f"|{'---|' * left}{'---:|' * (len(heads) - left)}", *lines]


def length(seconds: float) -> str:
    """`1:02:03 h`, or `4:05 min`."""
    return f"{clock(round(seconds))} {'h' if round(seconds) >= 3600 else 'min'}"


def entities_asked(part: ScoredPart) -> str:
    """How the entities of a manifest were requested."""
    names = {"closed": "closed set", "open": "open types"}
    kinds = [names[part.protocol]] if part.protocol else []
    if part.scores.sentiment is not None:
        kinds.append("sentiment")
    if part.scores.speakers is not None:
        kinds.append("speakers")
    if part.scores.silent:
        kinds.append(f"words invented in {part.scores.invented} of {part.scores.silent} silent clips")
    return ", ".join(kinds) or "transcript"
