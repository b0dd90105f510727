"""The same figures as a Markdown page, for a repository or a pull request."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from unislu.evaluation.bootstrap import Interval
from unislu.evaluation.evaluate import Evaluation, ScoredPart
from unislu.evaluation.report.costliest import Case
from unislu.evaluation.report.wording import KIND_TITLES, PROFILE_TITLES, bounds, entities_asked, rate, table

_COLUMNS = (
    ("WER", "wer"),
    ("entity F1", "ner.f1"),
    ("label-F1", "ner.label_f1"),
    ("sentiment macro-F1", "sa.macro_f1"),
    ("accuracy", "sa.accuracy"),
)
_SHOWN = 10
"""Number of costliest utterances in the text; the HTML page has them all."""


def text(evaluation: Evaluation, cases: Sequence[Case]) -> str:
    """The whole page."""
    known = evaluation.provenance
    lines = [f"# {evaluation.system}: evaluation", ""]
    lines += [f"{PROFILE_TITLES[evaluation.settings.profile]} Percent, with 95 % bootstrap intervals.", ""]
    every = [*evaluation.parts.values(), *evaluation.pools.values()]
    columns = [(title, key) for title, key in _COLUMNS if any(key in part.intervals for part in every)]
    rows = []
    for part in every:
        pooled = part.name in evaluation.pools and bool(part.members)
        name = f"**pooled: {part.name}**" if pooled else f"{part.name} ({entities_asked(part)})"
        cells = [_interval(part.intervals.get(key)) for _, key in columns]
        rows.append([name, str(part.scores.utterances), *cells, rate(part.rtfx, 1)])
    lines += [*table(["data", "utterances", *(title for title, _ in columns), "RTFx"], rows), ""]
    if evaluation.slue_score is not None:
        lines += [f"SLUE score: {evaluation.slue_score:.1f}", ""]
    for group in ("closed", "open"):
        lines += _entities(group, evaluation.group(group))
    lines += _sentiment(evaluation.group("sentiment"))
    lines += _speakers(evaluation.parts.values())
    lines += _worst(cases)
    lines += [
        "## Provenance",
        "",
        f"- command: `{known.get('command', '')}`",
        f"- date: {known.get('date', '')}, seed {known.get('seed', evaluation.settings.seed)}",
        f"- machine: {', '.join(str(v) for v in known.get('machine', {}).values() if v)}",
        f"- versions: {', '.join(f'{k} {v}' for k, v in known.get('versions', {}).items())}",
    ]
    for item in known.get("data", []):
        lines.append(f"- data: `{item['manifest']}`, {item['records']} records, sha256 `{item['sha256']}`")
    for name, digest in dict(known.get("system", {}).get("sha256", {})).items():
        lines.append(f"- model: `{name}`, sha256 `{digest}`")
    return "\n".join(lines) + "\n"


def _interval(interval: Interval | None) -> str:
    return "–" if interval is None else f"{interval.value:.1f} ({bounds(interval)})"


def _entities(group: str, part: ScoredPart | None) -> list[str]:
    if part is None or part.scores.entities is None or part.scores.entity_errors is None:
        return []
    scores, errors = part.scores.entities, part.scores.entity_errors
    ordered = sorted(scores.per_type.items(), key=lambda item: -item[1].support)
    rows = [
        [name, rate(counts.precision, 1), rate(counts.recall, 1), rate(counts.f1, 1), str(counts.support)]
        for name, counts in [*ordered, ("**all**", scores.micro)]
    ]
    kinds = [[kind, KIND_TITLES[kind], str(count)] for kind, count in errors.kinds.items()]
    return [
        f"## Entities, {group}",
        "",
        *table(["type", "precision", "recall", "F1", "gold"], rows),
        "",
        f"macro-F1 {rate(scores.macro_f1, 1)}, label-F1 {rate(scores.label_f1, 1)}, "
        f"partial F1 {rate(errors.partial_f1, 1)}.",
        "",
        *table(["outcome of each entity", "", "count"], kinds, left=2),
        "",
    ]


def _sentiment(part: ScoredPart | None) -> list[str]:
    if part is None or part.scores.sentiment is None:
        return []
    scores = part.scores.sentiment
    rows = []
    for name, counts in scores.per_class.items():
        cells = [scores.confusion.get((name, other), 0) for other in scores.classes]
        rows.append([name, *map(str, cells), str(counts.support - sum(cells)), rate(counts.f1, 1)])
    heads = ["gold", *(f"→ {name}" for name in scores.classes), "→ other", "F1"]
    lines = ["## Sentiment", "", *table(heads, rows)]
    ece = "" if part.scores.calibration is None else f", ECE {rate(part.scores.calibration.ece, 1)}"
    return [*lines, "", f"macro-F1 {rate(scores.macro_f1, 1)}, accuracy {rate(scores.accuracy, 1)}{ece}.", ""]


def _speakers(parts: Iterable[ScoredPart]) -> list[str]:
    """The table of manifests with annotated speakers."""
    known = [(part.name, part.scores.speakers) for part in parts if part.scores.speakers is not None]
    if not known:
        return []
    rows = []
    for name, scores in known:
        values = (scores.der, scores.missed, scores.false_alarm, scores.confusion, scores.word_error)
        number = f"{scores.right_number} of {scores.recordings}"
        rows.append([name, *(rate(value, 1) for value in values), number])
    rates = ("DER", "missed", "false alarm", "confusion", "words of a wrong speaker")
    return ["## Speakers", "", *table(["data", *rates, "number of speakers right"], rows), ""]


def _worst(cases: Sequence[Case]) -> list[str]:
    if not cases:
        return []
    lines = ["## Worst utterances", ""]
    for case in cases[:_SHOWN]:
        utterance = case.utterance
        lines.append(f"- `{case.dataset}/{utterance.id}`: {case.word_errors} words, ")
        lines[-1] += f"{len(case.entity_errors)} entities wrong" + (", sentiment" * case.sentiment_wrong)
        lines.append(f"  - gold: {' '.join(utterance.reference)}")
        lines.append(f"  - recognised: {' '.join(utterance.hypothesis)}")
    return [*lines, ""]
