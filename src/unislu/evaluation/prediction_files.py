"""Predictions of any system as `Prediction`s: our JSON lines, SLUE's submission TSV, WhisperNER's tagged
text.

    JSON lines   {"id": …, "text": …, "entities": [{"type": …, "text": …}], "sentiment": …}
    TSV          id <tab> pred_text <tab> pred_ner <tab> pred_sentiment, with pred_ner [['GPE', 'strasbourg']]
    tagged       id <tab> the <occupation>astronaut<occupation>> explored

In JSON lines an entity may carry offsets (`start`, `end`) instead of its words, `sentiment` may be a label
or an object with `label` and `scores`, and a result of `unislu analyze --format jsonl` is read as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from unislu.data.corpora.tables import tsv_rows
from unislu.data.lines import json_value, read_lines, tsv_fields
from unislu.data.records import check_phrase, identity, number_field
from unislu.errors import OptionError, RecordError
from unislu.evaluation.diarization import Spoken, read_turns
from unislu.evaluation.question import Prediction
from unislu.sequence.labels import normalize_type
from unislu.writers.rttm import Turn

_TSV_COLUMNS = ("id", "pred_text", "pred_ner", "pred_sentiment")
_TAG = re.compile(r"<([^<>]+)>(>?)")


def read_predictions(path: str | Path, form: str | None = None) -> list[Prediction]:
    """Read predictions; the format is taken from the content unless it is named.

    Raises:
        OptionError: an unknown format.
        RecordError: the file cannot be read or is malformed; with file and line.
    """
    readers = {"jsonl": read_jsonl_predictions, "slue": _slue, "whisperner": _tagged}
    if form is not None and form not in readers:
        raise OptionError(f"unknown format of predictions {form!r}: choose from {', '.join(readers)}")
    return list(readers[form or _guess(Path(path))](Path(path)))


def prediction_values(prediction: Prediction) -> dict[str, Any]:
    """A prediction as the JSON object of its line."""
    values: dict[str, Any] = {"id": prediction.id, "text": prediction.text}
    if prediction.entities is not None:
        confidences = prediction.confidences or (None,) * len(prediction.entities)
        values["entities"] = [
            {"type": type_, "text": phrase, **({} if sure is None else {"confidence": round(sure, 6)})}
            for (type_, phrase), sure in zip(prediction.entities, confidences, strict=True)
        ]
    if prediction.sentiment_scores is not None:
        scores = {name: round(value, 6) for name, value in prediction.sentiment_scores.items()}
        values["sentiment"] = {"label": prediction.sentiment, "scores": scores}
    elif prediction.sentiment is not None:
        values["sentiment"] = prediction.sentiment
    for name in ("duration", "seconds"):
        if (number := getattr(prediction, name)) is not None:
            values[name] = round(number, 6)
    if prediction.spoken is not None:
        values["turns"] = [_turn_values(turn) for turn in prediction.spoken.turns]
        values["words"] = [_turn_values(word) for word in prediction.spoken.words]
    return values


def _turn_values(turn: Turn) -> dict[str, Any]:
    start, end, speaker = turn
    return {"start": round(start, 3), "end": round(end, 3), "speaker": speaker}


def read_jsonl_predictions(path: Path) -> Iterator[Prediction]:
    """Predictions of a JSON-lines file. Raises `RecordError` naming file, line and field."""
    for number, line in _lines(path):
        try:
            yield _from_json(json_value(line))
        except RecordError as error:
            raise RecordError(f"{path}:{number}: {error}") from None


def _from_json(values: Any) -> Prediction:
    if not isinstance(values, Mapping):
        raise RecordError("expected a JSON object")
    key = identity(values) if "id" in values else values.get("file")
    if not isinstance(key, str) or not key:
        raise RecordError("field `id`: is missing")
    if "id" not in values:  # a result of `unislu analyze`: the file's name is the clip's
        key = Path(key).stem
    text = _typed(values, "text", str)
    entities = _typed(values, "entities", list)
    pairs, confidences = None, None
    if entities is not None:
        pairs = tuple(_entity(entity, text, f"entities[{place}]") for place, entity in enumerate(entities))
        confidences = tuple(number_field(entity, "confidence") for entity in entities)
    sentiment = values.get("sentiment")
    scores: dict[str, float] = {}
    if isinstance(sentiment, Mapping):
        given = _typed(sentiment, "scores", dict) or {}
        scores = {str(name): value for name in given if (value := number_field(given, name)) is not None}
        sentiment = sentiment.get("label")
    if sentiment is not None and not isinstance(sentiment, str):
        raise RecordError(f"field `sentiment`: {sentiment!r} is no label")
    timings = values.get("timings")
    seconds = number_field(values, "seconds")
    if seconds is None and isinstance(timings, Mapping):
        seconds = number_field(timings, "total")
    sure = confidences if confidences and any(c is not None for c in confidences) else None
    spoken = None
    if values.get("turns") is not None:
        said = _typed(values, "words", list) or []
        spoken = Spoken(read_turns(values["turns"], key), tuple(_word(word, key) for word in said))
    length = number_field(values, "duration")
    return Prediction(key, text, pairs, sentiment, scores or None, sure, length, seconds, spoken)


def _word(word: Any, key: str) -> Turn:
    try:
        return float(word["start"]), float(word["end"]), str(word["speaker"])
    except (TypeError, KeyError, ValueError):
        raise RecordError(f"{key}: field `words`: {word!r} has no `start`, `end` and `speaker`") from None


def _entity(entity: Any, text: str | None, place: str) -> tuple[str, str]:
    if not isinstance(entity, Mapping) or not isinstance(entity.get("type"), str):
        raise RecordError(f"field `{place}`: expected an object with `type` and `text`")
    if not normalize_type(entity["type"]):
        raise RecordError(f"field `{place}.type`: is empty")
    start, end = entity.get("start_char", entity.get("start")), entity.get("end_char", entity.get("end"))
    if text is None or not isinstance(start, int) or not isinstance(end, int):  # whole seconds are floats
        if isinstance(entity.get("text"), str):
            return entity["type"], entity["text"]
        raise RecordError(f"field `{place}`: {dict(entity)!r} has neither `text` nor offsets into one")
    if not 0 <= start < end <= len(text):
        raise RecordError(
            f"field `{place}`: [{start}, {end}) is not a span of a text of {len(text)} characters"
        )
    check_phrase(entity.get("text"), text, start, end, place)
    return entity["type"], text[start:end]


def _slue(path: Path) -> Iterator[Prediction]:
    head = tsv_fields(next((line for _, line in _lines(path)), ""))
    if "id" not in head or not set(head) & set(_TSV_COLUMNS[1:]):
        raise RecordError(f"{path}:1: the columns are {head}; SLUE's are {', '.join(_TSV_COLUMNS)}")
    for place, values in tsv_rows(path):
        label = values.get("pred_sentiment", "").strip() or None
        yield Prediction(
            values["id"], values.get("pred_text"), _literal(values.get("pred_ner"), place), label
        )


def _literal(text: str | None, place: str) -> tuple[tuple[str, str], ...] | None:
    """`[['GPE', 'strasbourg']]`, a Python literal; empty = none found, no column = not answered."""
    if text is None:
        return None
    try:
        found = ast.literal_eval(text.strip() or "[]")
        # A third member, if there is one, tells equal entities apart.
        return tuple((str(item[0]), str(item[1])) for item in found)
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError, RecursionError, MemoryError):
        raise RecordError(f"{place}: pred_ner {text!r} is not a list like [['GPE', 'x']]") from None


def _tagged(path: Path) -> Iterator[Prediction]:
    for number, line in _lines(path):
        key, tab, tagged = line.partition("\t")
        if not tab or not key:
            raise RecordError(f"{path}:{number}: expected an id, a tab, and the tagged text")
        text, entities = parse_tagged(tagged)
        yield Prediction(key, text, entities)


def parse_tagged(tagged: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """`the <job>pilot<job>> flew` → its text and its (type, phrase) pairs. Never raises.

    A tag that is not closed by its own type is dropped, its words stay.
    """
    text, entities = "", []  # type: str, list[tuple[str, str]]
    opened: tuple[str, int] | None = None
    position = 0
    for match in _TAG.finditer(tagged):
        text += tagged[position : match.start()]
        position = match.end()
        name = normalize_type(match[1])
        if not match[2]:
            opened = (name, len(text))
        elif opened is not None and opened[0] == name:
            if phrase := " ".join(text[opened[1] :].split()):
                entities.append((name, phrase))
            opened = None
    return " ".join((text + tagged[position:]).split()), tuple(entities)


def _guess(path: Path) -> str:
    first = next((line for _, line in _lines(path)), "")
    if first.lstrip().startswith("{"):
        return "jsonl"
    if "id" in tsv_fields(first) and "pred_" in first:
        return "slue"
    if "\t" in first:
        return "whisperner"
    raise RecordError(
        f"{path}: neither JSON lines, nor SLUE's TSV, nor an id, a tab and a tagged text a line"
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in read_lines(path) if line.strip())


def _typed(values: Mapping[str, Any], name: str, kind: type) -> Any:
    found = values.get(name)
    if found is not None and not isinstance(found, kind):
        raise RecordError(f"field `{name}`: expected {kind.__name__}, found {type(found).__name__}")
    return found
