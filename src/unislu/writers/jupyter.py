"""A result in notebooks: self-contained HTML that does not affect the rest of the page.

Its styles are inline, because notebooks that are not trusted drop style sheets, and its colours are those of
the notebook, so that it can be read on a dark page too.
"""

from __future__ import annotations

from html import escape

from ..progress import clock
from ..result import Analysis
from .spans import percent, pieces, ranked, stretches
from .subtitles import hue

_BOX = "max-width: 60em; line-height: 1.6; overflow-wrap: anywhere"
_TEXT = "max-height: 30em; overflow: auto; margin: .5em 0"
_MARK = "color: inherit; border-radius: .3em; padding: .1em .3em"
_FAINT = "opacity: .7; font-size: .85em"


def render(analysis: Analysis) -> str:
    """One `div`; every text of the result is escaped."""
    length = clock(analysis.duration) if analysis.duration >= 60 else f"{analysis.duration:.1f} s"
    head = f"{escape(analysis.file or 'audio')} · {length} · {escape(analysis.model)}"
    parts = [f'<div style="{_FAINT}">{head}</div>', f'<div style="{_TEXT}">{_text(analysis)}</div>']
    if analysis.entities is not None:
        parts.append(f'<div style="{_FAINT}">entities: {len(analysis.entities) or "none"}</div>')
    if analysis.sentiment is not None:
        scores = ranked(dict(analysis.sentiment.scores))
        shown = " · ".join(f"{escape(name)} {percent(score)}" for name, score in scores)
        parts.append(f'<div style="{_FAINT}">sentiment: {shown}</div>')
    parts += [f'<div style="{_FAINT}">⚠ {escape(warning)}</div>' for warning in analysis.warnings]
    return f'<div style="{_BOX}">' + "".join(parts) + "</div>"


def _text(analysis: Analysis) -> str:
    """The transcript, a line for each segment if there are several."""
    if analysis.text is None:
        return "<em>no transcript was asked for</em>"
    if not analysis.text.strip():
        return "<em>no speech</em>"
    spoken = stretches(analysis)
    if len(spoken) < 2:
        return _marked(analysis, 0, len(analysis.text))
    lines = []
    for name, segment in spoken:
        said = _marked(analysis, segment.start_char, segment.end_char)
        who = "" if name is None else f"<b>{escape(name)}</b> "
        lines.append(f'<div><span style="{_FAINT}">{clock(segment.start)}</span> {who}{said}</div>')
    return "".join(lines)


def _marked(analysis: Analysis, start: int, end: int) -> str:
    shown = []
    for text, entity in pieces(analysis, start, end):
        if entity is None:
            shown.append(escape(text))
            continue
        style = f"{_MARK}; background: hsla({hue(entity.type)}, 75%, 55%, .3)"
        label = f'<small style="{_FAINT}">{escape(entity.type)}</small>'
        shown.append(f'<mark style="{style}">{escape(text)} {label}</mark>')
    return "".join(shown)
