"""A self-contained page: the transcript with marked entities, a legend, the sentiment, a player.

With audio, a click on a word (or, without word times, on a segment) or on an entity plays it from there, and
the current word is highlighted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ..progress import clock
from ..result import Analysis, Entity, Segment, Sentiment, Word, covered
from .spans import apart, percent, ranked, stretches, written
from .subtitles import hue

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.1rem; overflow-wrap: anywhere; }
audio { position: sticky; top: 0; width: 100%; }
p.text { font-size: 1.15rem; overflow-wrap: anywhere; }
p.text time { font-size: .7em; opacity: .6; margin-right: .6em; font-variant-numeric: tabular-nums; }
mark { color: inherit; border-radius: .3em; padding: .1em .3em; background: hsl(var(--hue) 75% 55% / .3); }
mark small { opacity: .75; margin-left: .35em; font-size: .65em; font-weight: 600; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .2rem .6rem .2rem 0; font-weight: normal; }
th { opacity: .7; }
meter { width: 12rem; max-width: 50vw; }
footer { opacity: .7; font-size: .85rem; }
.plays [data-t] { cursor: pointer; }
.plays [data-t]:hover, .plays [data-t]:focus-visible { text-decoration: underline; }
.now { outline: 2px solid; outline-offset: 1px; border-radius: .2em; }
"""

_SCRIPT = """
const player = document.querySelector("audio");
const words = [...document.querySelectorAll("p.text [data-end]")];
const play = (target) => {
  const place = target.closest("[data-t]");
  if (!place) return false;
  player.currentTime = Number(place.dataset.t);
  player.play();
  return true;
};
document.addEventListener("click", (event) => play(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && play(event.target)) event.preventDefault();
});
player.addEventListener("timeupdate", () => {
  const now = player.currentTime;
  for (const word of words) {
    word.classList.toggle("now", Number(word.dataset.t) <= now && now < Number(word.dataset.end));
  }
});
"""


def render(analysis: Analysis, audio: str | None = None) -> str:
    """A whole HTML document; every text of the result is escaped.

    `audio`: what the player plays, a URL relative to the page or a `data:` URL; None = no player and no
    script.
    """
    name = escape(analysis.file or "audio")
    body = [f"<h1>{name}</h1>"]
    if audio is not None:
        body.append(f'<audio controls preload="metadata" src="{escape(audio)}"></audio>')
    if analysis.text is not None:
        body += _paragraphs(analysis) or ['<p class="text"><em>no speech</em></p>']
    if analysis.entities is not None:
        rows = "\n".join(_entity_rows(analysis.entities))
        body.append(f"<table>\n{rows}\n</table>" if analysis.entities else "<p>No entities were found.</p>")
    if analysis.sentiment is not None:
        body.append(_sentiment_table(analysis.sentiment))
    body += [f"<p>{escape(warning)}</p>" for warning in analysis.warnings]
    body.append(f"<footer>{analysis.duration:.1f} s · {escape(analysis.model)}</footer>")
    if audio is not None:
        body.append(f"<script>{_SCRIPT}</script>")
    language = f' lang="{escape(analysis.language)}"' if analysis.language else ""
    plays = "" if audio is None else ' class="plays"'
    return (
        f'<!DOCTYPE html>\n<html{language}>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body{plays}>\n"
        + "\n".join(body)
        + "\n</body>\n</html>\n"
    )


def _paragraphs(analysis: Analysis) -> list[str]:
    """One for each segment, cut where the speaker changes, with its time and who speaks."""
    text = analysis.text or ""
    segments = [(label, segment) for label, segment in stretches(analysis) if segment.text.strip()]
    entities = apart(analysis.entities or ())
    if not segments:  # a result from another program
        return [f'<p class="text">{_marked(text, 0, len(text), entities, ())}</p>'] if text.strip() else []
    shown = []
    for label, segment in segments:
        near = [entities[place] for place in covered(entities, segment.start_char, segment.end_char)]
        content = _marked(text, segment.start_char, segment.end_char, near, segment.words or ())
        stamp = f"<time{_place(segment)}>{clock(segment.start)}</time>" if len(segments) > 1 else ""
        place = _place(segment, button=False) if not segment.words else ""
        who = _speaker(label) if label is not None and analysis.speakers is not None else ""
        shown.append(f'<p class="text">{stamp}{who}<span{place}>{content}</span></p>')
    return shown


def _speaker(name: str) -> str:
    line = f"border-left: .3em solid hsl({hue(name)} 75% 50%); padding-left: .3em; margin-right: .5em"
    return f'<b style="{line}">{escape(name)}</b>'


def _marked(text: str, start: int, end: int, entities: Sequence[Entity], words: Sequence[Word]) -> str:
    """A stretch of the transcript with its entities marked; they do not overlap."""
    shown, position = [], start
    for entity in entities:
        first, last = max(entity.start_char, start), min(entity.end_char, end)
        hue_ = hue(entity.type)
        shown.append(_timed(text, position, first, words))
        shown.append(
            f'<mark style="--hue: {hue_}"{_place(entity)}>{_timed(text, first, last, words)}'
            f"<small>{escape(entity.type)}</small></mark>"
        )
        position = last
    return "".join([*shown, _timed(text, position, end, words)])


def _timed(text: str, start: int, end: int, words: Sequence[Word]) -> str:
    """Characters `start…end` with each word that has a time in a span."""
    shown, position = [], start
    for place in covered(words, start, end):
        word = words[place]
        first, last = max(word.start_char, position), min(word.end_char, end)
        if first >= last:
            continue
        shown.append(escape(text[position:first]))
        piece = escape(text[first:last])
        spoken = any(map(str.isalnum, piece))  # not the full stop behind an entity
        shown.append(f"<span{_place(word, button=False)}>{piece}</span>" if spoken else piece)
        position = last
    return "".join([*shown, escape(text[position:end])])


def _place(piece: Entity | Word | Segment, button: bool = True) -> str:
    """Attributes of an element that plays from its time when clicked; `button`: it is reachable by
    keyboard.
    """
    if piece.start is None or piece.end is None:
        return ""
    reached = ' tabindex="0" role="button"' if button else ""
    end = "" if button else f' data-end="{piece.end:.3f}"'  # highlighted while it is said
    return f' data-t="{piece.start:.3f}"{end}{reached}'


def _entity_rows(entities: Sequence[Entity]) -> Iterator[str]:
    timed = any(entity.start is not None for entity in entities)
    valued = any(entity.value is not None for entity in entities)
    yield (
        f"<tr><th>type</th><th>entity</th>{'<th>value</th>' if valued else ''}"
        f"{'<th>time</th>' if timed else ''}<th>characters</th><th>confidence</th></tr>"
    )
    for e in entities:
        time = "" if not timed else f"<td>{'' if e.start is None else clock(e.start)}</td>"
        value = f"<td>{escape(written(e) or '')}{_problem(e)}</td>" if valued else ""
        yield (
            f"<tr><td>{escape(e.type)}</td><td{_place(e)}>{escape(e.text)}</td>{value}{time}"
            f"<td>{e.start_char}–{e.end_char}</td>"
            f"<td>{'' if e.confidence is None else percent(e.confidence)}</td></tr>"
        )


def _problem(entity: Entity) -> str:
    problem = (entity.value or {}).get("problem")
    return "" if problem is None else f" ({escape(str(problem))})"


def _sentiment_table(sentiment: Sentiment) -> str:
    rows = [
        f'<tr><td>{escape(name)}</td><td><meter value="{score:.4f}"></meter> {percent(score)}</td></tr>'
        for name, score in ranked(dict(sentiment.scores))
    ]
    return "<table>\n<tr><th>sentiment</th><th></th></tr>\n" + "\n".join(rows) + "\n</table>"
