"""A page that needs nothing else: the transcript with marked entities, a legend, the sentiment."""

from __future__ import annotations

import zlib
from html import escape

from ..result import Analysis, Entity, Sentiment
from .spans import percent, pieces, ranked

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.1rem; overflow-wrap: anywhere; }
p.text { font-size: 1.15rem; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: .3em; padding: .1em .3em; background: hsl(var(--hue) 75% 55% / .3); }
mark small { opacity: .75; margin-left: .35em; font-size: .65em; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; font-weight: normal; }
th { opacity: .7; }
meter { width: 12rem; max-width: 50vw; }
footer { opacity: .7; font-size: .85rem; }
"""


def render(analysis: Analysis) -> str:
    """A whole HTML document; every text of the result is escaped."""
    name = escape(analysis.file or "audio")
    body = [f"<h1>{name}</h1>"]
    if analysis.text is not None:
        body.append(f'<p class="text">{_marked(analysis) or "<em>no speech</em>"}</p>')
    if analysis.entities is not None:
        body.append(_entity_table(analysis))
    if analysis.sentiment is not None:
        body.append(_sentiment_table(analysis.sentiment))
    body += [f"<p>{escape(warning)}</p>" for warning in analysis.warnings]
    body.append(f"<footer>{analysis.duration:.1f} s · {escape(analysis.model)}</footer>")
    language = f' lang="{escape(analysis.language)}"' if analysis.language else ""
    return (
        f'<!DOCTYPE html>\n<html{language}>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _marked(analysis: Analysis) -> str:
    return "".join(_mark(escape(text), entity) for text, entity in pieces(analysis))


def _mark(text: str, entity: Entity | None) -> str:
    if entity is None:
        return text
    return f'<mark style="--hue: {_hue(entity.type)}">{text}<small>{escape(entity.type)}</small></mark>'


def _hue(name: str) -> int:
    """The same colour for a type on every page."""
    return zlib.crc32(name.lower().encode()) % 360


def _entity_table(analysis: Analysis) -> str:
    if not analysis.entities:
        return "<p>No entities were found.</p>"
    rows = [
        f"<tr><td>{escape(e.type)}</td><td>{escape(e.text)}</td><td>{e.start_char}–{e.end_char}</td>"
        f"<td>{'' if e.confidence is None else percent(e.confidence)}</td></tr>"
        for e in analysis.entities
    ]
    head = "<tr><th>type</th><th>entity</th><th>characters</th><th>confidence</th></tr>"
    return f"<table>\n{head}\n" + "\n".join(rows) + "\n</table>"


def _sentiment_table(sentiment: Sentiment) -> str:
    rows = [
        f'<tr><td>{escape(name)}</td><td><meter value="{score:.4f}"></meter> {percent(score)}</td></tr>'
        for name, score in ranked(dict(sentiment.scores))
    ]
    return "<table>\n<tr><th>sentiment</th><th></th></tr>\n" + "\n".join(rows) + "\n</table>"
