"""Tokens of the output in each format: of the annotation, or of what models write (WhisperNER, Fig. 5).

Every token of the output is one step of the decoder, so its length is what a format costs.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from unislu.data.records import Record
from unislu.errors import RecordError
from unislu.evaluation.curves.figure import COLORS, INK, Table, from_zero, label, legend, line, panels
from unislu.evaluation.question import Question
from unislu.evaluation.sweep import RecordClip, answer_of, decode, encode, entity_request
from unislu.recognition.recognizer import Recognizer
from unislu.recognition.request import Request
from unislu.sequence import Alphabet, Format, Prompt, Target, Vocabulary, get_format, normalize_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLAIN = "transcript"
WRITTEN = ("inline", "suffix", "inline-open", "bio")
BIN = 5
"""Words of a range in the figure."""
ALL = "all"


def format_lengths(
    records: Sequence[Record], vocabulary: Vocabulary, alphabet: str = "atomic"
) -> dict[str, list[tuple[int, int, int]]]:
    """By format, for each record with entities: (words, tokens of the output, tokens of the prompt).

    `transcript` is what plain Whisper writes. Closed formats are left out where an entity's type is
    outside the closed set.

    Raises:
        RecordError: no record has annotated entities.
    """
    targets = [record.target() for record in records if record.entities is not None]
    if not targets:
        raise RecordError("no record has annotated entities: every format would write the same")
    known = {normalize_type(tag) for tag in vocabulary.labels.entity_types}
    used = {normalize_type(span.type) for target in targets for span in target.entities or ()}
    plain = get_format("suffix", vocabulary)
    found = {PLAIN: [_measured(plain, Target(target.text), Prompt(frozenset())) for target in targets]}
    for name in WRITTEN:
        form = get_format(name, vocabulary, Alphabet(alphabet))
        if form.open or not used - known:
            found[name] = [_with_entities(form, target) for target in targets]
    return found


def _with_entities(form: Format, target: Target) -> tuple[int, int, int]:
    spans = target.entities or ()
    types = tuple(sorted({normalize_type(span.type) for span in spans})) if form.open else None
    return _measured(form, Target(target.text, spans), Prompt(frozenset({"ner"}), types))


def _measured(form: Format, target: Target, prompt: Prompt) -> tuple[int, int, int]:
    return len(target.text.split()), len(form.render(target, prompt).ids), len(form.prefix(prompt))


def written_lengths(
    recognizer: Recognizer, clips: Sequence[RecordClip], asked: Sequence[Question] | None
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
    """The lengths of a model's output for each clip, as in `format_lengths`, and of its transcripts alone.

    `asked`: the question about each clip; None asks for the transcript. Words are those of the reference.
    """
    outputs, transcripts = [], []
    for number, clip in enumerate(clips):
        request = Request(tasks=("asr",), words=False)
        if asked is not None:
            request = entity_request(asked[number].types)
        plan = recognizer.resolve(request)
        written = decode(recognizer, encode(recognizer, clip), plan)
        words = len(clip.record.text.split())
        prompt = sum(len(step.format.prefix(step.prompt)) for step in plan.passes)
        outputs.append((words, sum(len(one.ids) for one in written), prompt))
        text = answer_of(clip, written).text
        spelled = recognizer.vocabulary.tokenizer.encode(f" {text}") if text else []
        transcripts.append((words, len(spelled) + 1, prompt))  # and the end
    return outputs, transcripts


def format_table(lengths: Mapping[str, Sequence[tuple[int, int, int]]]) -> Table:
    """By format and range of words: mean, median and 95th percentile of the tokens; times the transcript."""
    plain = [tokens for _, tokens, _ in lengths[PLAIN]]
    rows = []
    for name, values in lengths.items():
        starts = sorted({words // BIN * BIN for words, _, _ in values})
        for start in [None, *starts]:
            inside = [n for n, v in enumerate(values) if start is None or v[0] // BIN * BIN == start]
            tokens = sorted(values[n][1] for n in inside)
            rows.append(
                {
                    "format": name,
                    "words": ALL if start is None else f"{start}–{start + BIN - 1}",
                    "from": 0 if start is None else start,
                    "utterances": len(inside),
                    "mean": statistics.fmean(tokens),
                    "median": statistics.median(tokens),
                    "p95": tokens[min(len(tokens) - 1, int(0.95 * len(tokens)))],
                    "prompt_mean": statistics.fmean(values[n][2] for n in inside),
                    "times_transcript": sum(tokens) / sum(plain[n] for n in inside),
                }
            )
    return rows


def format_figure(lengths: Mapping[str, Sequence[tuple[int, int, int]]], table: Table, title: str) -> Figure:
    """Left: how long the outputs are, as boxes. Right: the mean length over the words."""
    figure, (left, right) = panels(2, title)
    _boxes(left, lengths, table)
    for number, name in enumerate(lengths):
        # The last ranges hold a handful of sentences, whose means jump.
        mine = [r for r in table if r["format"] == name and r["words"] != ALL and r["utterances"] >= 3]
        line(right, [r["from"] + BIN / 2 for r in mine], [r["mean"] for r in mine], name, number)
    from_zero(right)
    label(right, "By length", "words in the transcript", "mean tokens")
    legend(right)
    return figure


def _boxes(axis: Axes, lengths: Mapping[str, Sequence[tuple[int, int, int]]], table: Table) -> None:
    drawn = axis.boxplot(
        [[tokens for _, tokens, _ in values] for values in lengths.values()],
        widths=0.55,
        showfliers=False,
        patch_artist=True,
        medianprops={"color": INK, "linewidth": 1.5},
    )
    for number, box in enumerate(drawn["boxes"]):
        box.set_facecolor(COLORS[number % len(COLORS)])
        box.set_alpha(0.65)
    times = {row["format"]: row["times_transcript"] for row in table if row["words"] == ALL}
    names = [f"{name}\n×{times[name]:.2f}" for name in lengths]
    axis.set_xticks(range(1, len(names) + 1), names, fontsize=8.5)
    axis.set_ylim(bottom=0)
    axis.grid(False, axis="x")
    label(axis, "Tokens of the output", "format, and times the transcript's tokens", "tokens")
