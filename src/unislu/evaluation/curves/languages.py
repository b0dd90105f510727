"""Languages a model was not trained on (WhisperNER, Table IV)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unislu.errors import OptionError
from unislu.evaluation.curves.figure import COLORS, Table, label, panels
from unislu.evaluation.question import Prediction, Question
from unislu.evaluation.score import Scores
from unislu.evaluation.sweep import RecordClip, answer_of, decode, encode, entity_request
from unislu.recognition.recognizer import Recognizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def ask_language(
    recognizer: Recognizer, clips: Sequence[RecordClip], asked: Sequence[Question], language: str
) -> list[Prediction]:
    """Transcribe clips of another language greedily, with its token in the prompt.

    Raises:
        OptionError: the model's vocabulary has no such language.
    """
    if f"<|{language}|>" not in recognizer.vocabulary:
        raise OptionError(f"language {language!r}: the model has no token for it; give a code such as `es`")
    found = []
    for clip, question in zip(clips, asked, strict=True):
        plan = recognizer.resolve(entity_request(question.types))
        there = tuple(replace(step, prompt=replace(step.prompt, language=language)) for step in plan.passes)
        written = decode(recognizer, encode(recognizer, clip), replace(plan, passes=there))
        found.append(replace(answer_of(clip, written), id=clip.record.id))
    return found


def language_table(scores: Mapping[str, Scores]) -> Table:
    """One row a language; in percent."""
    rows = []
    for language, found in scores.items():
        micro = found.entities.micro if found.entities is not None else None
        rows.append(
            {
                "language": language,
                "utterances": found.utterances,
                "f1": micro and micro.f1,
                "precision": micro and micro.precision,
                "recall": micro and micro.recall,
                "label_f1": found.entities.label_f1 if found.entities is not None else None,
                "wer": found.words.wer if found.words is not None else None,
                "profile": found.profile,
            }
        )
    return rows


def language_figure(table: Table, title: str) -> Figure:
    """F1 and WER of each language as bars."""
    figure, axes = panels(2, title)
    names = [row["language"] for row in table]
    for axis, key, number, head in zip(
        axes, ("f1", "wer"), (0, 1), ("Entities: F1", "Transcript: word error rate"), strict=True
    ):
        values = [row[key] or 0.0 for row in table]
        bars = axis.bar(names, values, 0.5, color=COLORS[number])
        axis.bar_label(bars, [f"{value:.1f}" for value in values], padding=2, fontsize=9)
        axis.grid(False, axis="x")
        axis.margins(y=0.15)
        axis.set_xlim(-0.8, len(names) - 0.2)
        label(axis, head, "language", "percent")
    return figure
