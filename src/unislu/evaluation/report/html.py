"""The page: everything inline, nothing loaded, readable without its script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files

from unislu.evaluation.bootstrap import Interval
from unislu.evaluation.entity_errors import KINDS
from unislu.evaluation.evaluate import Evaluation, Part
from unislu.evaluation.ner import Counts
from unislu.evaluation.report.audio import Players
from unislu.evaluation.report.cases import worst_section
from unislu.evaluation.report.charts import heatmap, reliability, stacked, whisker
from unislu.evaluation.report.facts import provenance_section
from unislu.evaluation.report.figures import Figure
from unislu.evaluation.report.wording import KIND_TITLES, PROFILE_TITLES, bounds, entities_asked, length, rate
from unislu.evaluation.report.worst import Case

_MOST_TYPES = 24
"""A confusion matrix of more types than these is not readable; the rarest are left out."""


def page(evaluation: Evaluation, cases: Sequence[Case], players: Players, figures: Sequence[Figure]) -> str:
    """The whole HTML document; every text from outside is escaped."""
    sections = [
        ("summary", "Summary", _cards(evaluation) + _manifests(evaluation)),
        ("entities", "Entities", _entities(evaluation)),
        ("sentiment", "Sentiment", _sentiment(evaluation)),
        ("curves", "Curves", _figures(figures)),
        ("worst", "Worst utterances", worst_section(cases, players)),
        ("provenance", "Provenance", provenance_section(evaluation)),
    ]
    shown = [(key, title, body) for key, title, body in sections if body]
    links = "".join(f'<a href="#{key}">{title}</a>' for key, title, _ in shown)
    body = "\n".join(
        f'<section id="{key}" aria-labelledby="h-{key}"><h2 id="h-{key}">{title}</h2>\n{content}\n</section>'
        for key, title, content in shown
    )
    title = f"{evaluation.system} · evaluation"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>\n{_asset('report.css')}</style>\n</head>\n<body>\n"
        f'{_header(evaluation)}\n<nav aria-label="sections">{links}</nav>\n<main>\n{body}\n</main>\n'
        f"<script>\n{_asset('report.js')}</script>\n</body>\n</html>\n"
    )


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _header(evaluation: Evaluation) -> str:
    seconds = sum(part.seconds for part in evaluation.parts.values())
    utterances = sum(part.scores.utterances for part in evaluation.parts.values())
    date = str(evaluation.provenance.get("date", ""))[:10]
    facts = [
        f"{utterances} utterances" + (f", {length(seconds)}" if seconds else ""),
        f"profile <b>{escape(evaluation.settings.profile)}</b>",
        escape(date),
    ]
    items = "".join(f"<li>{fact}</li>" for fact in facts if fact)
    return (
        f'<header><p class="kicker">Evaluation report</p><h1>{escape(evaluation.system)}</h1>'
        f'<ul class="facts">{items}</ul></header>'
    )


def _cards(evaluation: Evaluation) -> str:
    cards = []
    everything = evaluation.group("all")
    if everything is not None:
        cards.append(_card("Word error rate", everything, "wer", "lower is better"))
    for group, title in (("closed", "Entity F1"), ("open", "Open-type F1")):
        if (part := evaluation.group(group)) is not None:
            label = part.scores.entities.label_f1 if part.scores.entities else None
            cards.append(_card(title, part, "ner.f1", f"label-F1 {rate(label, 1)}"))
    if (part := evaluation.group("sentiment")) is not None and part.scores.sentiment is not None:
        note = f"macro-F1 of {len(evaluation.settings.labels)} classes"
        cards.append(_card("Sentiment", part, "sa.macro_f1", note))
    if (score := evaluation.slue_score) is not None:
        note = "of WER, entity F1 and sentiment macro-F1"
        cards.append(_plain_card("SLUE score", f"{score:.1f}", note))
    if everything is not None and everything.rtfx is not None:
        cards.append(_plain_card("Speed", f"{everything.rtfx:.1f}×", "real time"))
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(title: str, part: Part, metric: str, note: str) -> str:
    interval = part.intervals.get(metric)
    if interval is None:
        return _plain_card(title, "–", note)
    sure = f'<div class="sure">{whisker(interval, 150)}<span>{bounds(interval)}</span></div>'
    return (
        f'<div class="card"><h3>{escape(title)}</h3><p class="figure">{interval.value:.1f}</p>'
        f'{sure}<p class="note">{escape(note)}</p></div>'
    )


def _plain_card(title: str, figure: str, note: str) -> str:
    return (
        f'<div class="card"><h3>{escape(title)}</h3><p class="figure">{escape(figure)}</p>'
        f'<p class="note">{escape(note)}</p></div>'
    )


_COLUMNS = (
    ("WER", "wer"),
    ("entity F1", "ner.f1"),
    ("precision", "ner.precision"),
    ("recall", "ner.recall"),
    ("label-F1", "ner.label_f1"),
    ("sentiment macro-F1", "sa.macro_f1"),
    ("accuracy", "sa.accuracy"),
)


def _manifests(evaluation: Evaluation) -> str:
    every = [*evaluation.parts.values(), *evaluation.pools.values()]
    columns = [(title, key) for title, key in _COLUMNS if any(key in part.intervals for part in every)]
    rows = [_manifest_row(part, columns) for part in every]
    head = "".join(f'<th scope="col" class="n">{title}</th>' for title, _ in columns)
    return (
        '<div class="scroll"><table class="scores"><caption>By manifest, in percent, with 95 % bootstrap '
        f"intervals over utterances. {PROFILE_TITLES[evaluation.settings.profile]}</caption><thead><tr>"
        f'<th scope="col">manifest</th><th scope="col" class="n">utterances</th>{head}'
        f'<th scope="col" class="n">RTFx</th></tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def _manifest_row(part: Part, columns: Sequence[tuple[str, str]]) -> str:
    name, pooled = escape(part.name), bool(part.members)
    about = f"{len(part.members)} manifests" if pooled else entities_asked(part)
    missing = f" · {part.scores.missing} without a prediction" if part.scores.missing else ""
    cells = "".join(f'<td class="n">{_interval(part.intervals.get(key))}</td>' for _, key in columns)
    return (
        f'<tr class="{"pooled" if pooled else ""}"><th scope="row">{"pooled: " if pooled else ""}{name}'
        f"<small>{escape(about + missing)}</small></th>"
        f'<td class="n">{part.scores.utterances}</td>{cells}<td class="n">{rate(part.rtfx, 1)}</td></tr>'
    )


def _interval(interval: Interval | None) -> str:
    if interval is None:
        return '<span class="none">–</span>'
    return f"{interval.value:.1f}<small>{bounds(interval)}</small>"


def _entities(evaluation: Evaluation) -> str:
    blocks = []
    for group, title in (("closed", "Closed set"), ("open", "Open types")):
        part = evaluation.group(group)
        if part is not None and part.scores.entities is not None:
            blocks.append(_entity_block(part, title))
    return "\n".join(blocks)


def _entity_block(part: Part, title: str) -> str:
    entities, errors = part.scores.entities, part.scores.entity_errors
    assert entities is not None and errors is not None
    ordered = sorted(entities.per_type.items(), key=lambda item: -item[1].support)
    table = _counts_table("type", part, "ner.f1", [*ordered, ("all, micro", entities.micro)])
    summary = (
        f"macro-F1 {rate(entities.macro_f1, 1)} · label-F1 {rate(entities.label_f1, 1)} · "
        f"partial F1 {rate(errors.partial_f1, 1)} (overlapping words of the right type count half)"
    )
    kinds = {str(kind): errors.kinds.get(kind, 0) for kind in KINDS}
    where = ", ".join(part.members) or part.name
    calibrated = part.scores.entity_calibration
    chart = reliability(calibrated, "Entity confidence") if calibrated is not None else ""
    return (
        f'<article class="block"><h3>{title} <small>{escape(where)}</small></h3><p class="note">{summary}</p>'
        f'<div class="columns"><div>{table}<h4>Types confused, by overlapping words</h4>'
        f"{_type_matrix(part)}</div><div>"
        f"<h4>What became of each entity</h4>{stacked(kinds, KIND_TITLES)}{chart}</div></div></article>"
    )


def _counts_table(what: str, part: Part, metric: str, rows: Sequence[tuple[str, Counts]]) -> str:
    """Precision, recall, F1 with its interval, and support of each name."""
    lines = []
    for name, counts in rows:
        micro = name == "all, micro"
        interval = part.intervals.get(metric if micro else f"{metric}.{name}")
        lines.append(
            f'<tr class="{"pooled" if micro else ""}"><th scope="row">{escape(name)}</th>'
            f'<td class="n">{rate(counts.precision, 1)}</td><td class="n">{rate(counts.recall, 1)}</td>'
            f'<td class="n"><b>{rate(counts.f1, 1)}</b></td><td>{whisker(interval) if interval else ""}</td>'
            f'<td class="n">{counts.support}</td></tr>'
        )
    return (
        f'<div class="scroll"><table class="scores"><thead><tr><th scope="col">{what}</th>'
        '<th scope="col" class="n">precision</th><th scope="col" class="n">recall</th>'
        '<th scope="col" class="n">F1</th><th scope="col">95 % interval</th>'
        f'<th scope="col" class="n">in gold</th></tr></thead><tbody>{"".join(lines)}</tbody></table></div>'
    )


def _type_matrix(part: Part) -> str:
    assert part.scores.entities is not None and part.scores.entity_errors is not None
    by_support = sorted(part.scores.entities.per_type.items(), key=lambda item: -item[1].support)
    names = sorted(name for name, _ in by_support[:_MOST_TYPES])
    confusion = part.scores.entity_errors.confusion
    return heatmap([*names, None], [*names, None], confusion, ("spurious", "missed"))


def _sentiment(evaluation: Evaluation) -> str:
    part = evaluation.group("sentiment")
    if part is None or part.scores.sentiment is None:
        return ""
    scores = part.scores.sentiment
    table = _counts_table("class", part, "sa.f1", list(scores.per_class.items()))
    counts = _folded(scores.confusion, scores.classes)
    predicted: list[str | None] = list(scores.classes)
    if any(label is None for _, label in counts):
        predicted.append(None)
    matrix = heatmap(scores.classes, predicted, counts, ("none", "other"))
    calibrated = part.scores.calibration
    chart = reliability(calibrated, "Sentiment confidence") if calibrated is not None else ""
    dropped = f" · {scores.dropped} of other labels not scored" if scores.dropped else ""
    where = ", ".join(part.members) or part.name
    return (
        f'<article class="block"><h3>{len(scores.classes)} classes <small>{escape(where)}</small></h3>'
        f'<p class="note">macro-F1 {rate(scores.macro_f1, 1)} · accuracy {rate(scores.accuracy, 1)} · '
        f'{scores.support} utterances{dropped}</p><div class="columns"><div>{table}<h4>Confusion</h4>'
        f"{matrix}</div><div>{chart}</div></div></article>"
    )


def _folded(
    confusion: Mapping[tuple[str, str | None], int], classes: Sequence[str]
) -> dict[tuple[str | None, str | None], int]:
    """Predictions outside the classes, or none at all, in one column."""
    folded: dict[tuple[str | None, str | None], int] = {}
    for (gold, found), count in confusion.items():
        key = (gold, found if found in classes else None)
        folded[key] = folded.get(key, 0) + count
    return folded


def _figures(figures: Sequence[Figure]) -> str:
    drawn = "".join(
        f'<figure class="curve"><img src="{figure.source}" alt="{escape(figure.caption)}">'
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
        for figure in figures
    )
    return f'<div class="curves">{drawn}</div>' if drawn else ""
