"""Label Studio's tasks with pre-annotations, and their labelling configuration.

Every segment, cut where the speaker changes, is a region of the audio with its transcript and its sentiment;
every entity is a region of the task's text. `unislu prepare label-studio` turns the annotated export into
records (`unislu.data.corpora`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from ..result import Analysis, Segment
from .spans import stretches

SPEECH = "Speech"
"""The label of a region where there is only one speaker."""


def render(analysis: Analysis, audio: str | None = None) -> str:
    """A file for Label Studio's import: a list with one task.

    `audio`: the URL at which Label Studio finds the recording; by default the recording's name.
    """
    return json.dumps([task(analysis, audio)], ensure_ascii=False, indent=1) + "\n"


def task(analysis: Analysis, audio: str | None = None) -> dict[str, Any]:
    """One task in Label Studio's JSON; offsets count characters (code points), as Label Studio does."""
    data = {
        "audio": audio if audio is not None else PurePath(analysis.file or "audio").name,
        "text": analysis.text or "",
        "file": analysis.file,
        "duration": analysis.duration,
    }
    if any(segment.channel is not None for segment in analysis.segments):
        data["channels"] = "split"
    result = [*_segments(analysis), *_entities(analysis)]
    return {"data": data, "predictions": [{"model_version": analysis.model, "result": result}]}


def _segments(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for number, (speaker, segment) in enumerate(stretches(analysis)):
        yield _of_audio(analysis, number, segment, "speech", "labels", [speaker or SPEECH])
        yield _of_audio(analysis, number, segment, "transcription", "textarea", [segment.text])
        if segment.sentiment is not None:
            yield _of_audio(analysis, number, segment, "sentiment", "choices", [segment.sentiment.label])


def _of_audio(
    analysis: Analysis, number: int, segment: Segment, control: str, kind: str, values: list[str]
) -> dict[str, Any]:
    """One control's part of a segment's region, which has the given id."""
    key = "text" if kind == "textarea" else kind
    place = {"start": segment.start, "end": segment.end, "channel": segment.channel or 0}
    return {
        "id": f"segment-{number}",
        "from_name": control,
        "to_name": "audio",
        "type": kind,
        "original_length": analysis.duration,
        "value": {**place, key: values},
    }


def _entities(analysis: Analysis) -> Iterator[dict[str, Any]]:
    for number, entity in enumerate(analysis.entities or ()):
        place = {"start": entity.start_char, "end": entity.end_char, "text": entity.text}
        region: dict[str, Any] = {
            "id": f"entity-{number}",
            "from_name": "entities",
            "to_name": "text",
            "type": "labels",
            "value": {**place, "labels": [entity.type]},
        }
        yield region if entity.confidence is None else {**region, "score": entity.confidence}


def labelling_config(
    types: Sequence[str], sentiments: Sequence[str], speakers: Sequence[str] = (SPEECH,)
) -> str:
    """The labelling configuration (XML) of a project for such tasks.

    Args:
        types: entity types, as in the results.
        sentiments: sentiment labels, as in the results.
        speakers: labels of segments: who may speak.
    """
    return f"""<View>
  <Style>.htx-text {{ white-space: pre-wrap; }}</Style>
  <Audio name="audio" value="$audio" zoom="true" hotkey="ctrl+enter"/>
  <Labels name="speech" toName="audio">
{_choices("Label", speakers)}
  </Labels>
  <TextArea name="transcription" toName="audio" perRegion="true" editable="true" rows="2" maxSubmissions="1"/>
  <Choices name="sentiment" toName="audio" perRegion="true" choice="single" showInline="true">
{_choices("Choice", sentiments)}
  </Choices>
  <Labels name="entities" toName="text">
{_choices("Label", types)}
  </Labels>
  <Text name="text" value="$text" granularity="word"/>
</View>
"""


def _choices(tag: str, values: Sequence[str]) -> str:
    from xml.sax.saxutils import quoteattr  # not above: it imports an HTTP client

    return "\n".join(f"    <{tag} value={quoteattr(value)}/>" for value in values)
