"""The record: one utterance of a corpus, its text, its audio and what was annotated.

A corpus is a JSON-lines file, one record a line. Annotation has three states: a missing key means
"not annotated", an empty list means "annotated, none present", and anything else is the annotation.
Every reader of the project goes through `read_records`, so a malformed corpus is found here, with the
file, the line and the field, and not as a strange loss three hours later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unislu.data.lines import json_value, read_lines
from unislu.errors import OptionError, RecordError
from unislu.files import make_folder, replacing

if TYPE_CHECKING:
    from unislu.sequence.target import Target


@dataclass(frozen=True)
class AnnotatedEntity:
    """An annotated entity: characters `start` to `end` (exclusive) of the record's text."""

    start: int
    end: int
    type: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the annotation, such as `type18`, kept as they were."""

    def to_dict(self) -> dict[str, Any]:
        return {"start": self.start, "end": self.end, "type": self.type, **self.extra}


@dataclass(frozen=True)
class Record:
    """One utterance. `None` means "not annotated" or "unknown" throughout.

    Raises:
        RecordError: on construction, when a field is out of range; the message names the field.
    """

    id: str
    text: str
    audio: str | None = None
    """Path of the audio; relative paths are relative to the manifest's folder."""
    duration: float | None = None
    """Seconds."""
    entities: tuple[AnnotatedEntity, ...] | None = None
    sentiment: str | None = None
    speaker: str | None = None
    voice: str | None = None
    split: str | None = None
    augmentation: tuple[Mapping[str, Any], ...] | None = None
    """The steps applied to the audio, in order; see `unislu.data.augment`."""
    spoken: str | None = None
    """What a synthesiser says if that differs from `text`: figures and addresses in words, hesitations."""
    transcribed: bool = True
    """False for audio of which nobody wrote down what is said; `text` is then empty, and no annotation."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Keys that the schema does not know, kept as they were."""

    def __post_init__(self) -> None:
        if not self.id:
            raise RecordError("field `id`: is empty")
        for name in ("id", "text", "spoken"):
            if any("\ud800" <= c <= "\udfff" for c in getattr(self, name) or ""):
                raise RecordError(f"field `{name}`: holds half a character (a lone surrogate)")
        if self.audio is not None and "\0" in self.audio:
            raise RecordError(f"field `audio`: {self.audio!r} is not a path")
        if self.duration is not None and not 0 <= self.duration < float("inf"):
            raise RecordError(f"field `duration`: {self.duration!r} is not a length in seconds")
        _check_entities(self.entities or (), len(self.text))

    def target(self) -> Target:
        """The text and annotation that the model has to write for this record."""
        from unislu.sequence.target import Span, Target

        spans = None
        if self.entities is not None:
            spans = tuple(Span(entity.start, entity.end, entity.type) for entity in self.entities)
        return Target(self.text, spans, self.sentiment)

    @property
    def said(self) -> str:
        """The spoken words: `spoken` if given, else the text."""
        return self.text if self.spoken is None else self.spoken

    def audio_path(self, root: str | os.PathLike[str]) -> Path:
        """The audio's path, given the folder of the manifest this record came from.

        Raises:
            RecordError: when the record has no audio, a URL, or only a part of a file (NeMo's `offset`).
        """
        if self.audio is None:
            raise RecordError(
                f"record {self.id!r} has no audio: run `unislu synthesize` on its file, or add `audio`"
            )
        if "://" in self.audio:
            raise RecordError(
                f"record {self.id!r}: field `audio`: {self.audio!r} is a URL; download it and give its path"
            )
        if self.extra.get("offset"):
            raise RecordError(
                f"record {self.id!r}: field `offset`: {self.extra['offset']!r}: only `unislu batch` takes "
                "parts of files; cut the audio into one file per record"
            )
        return Path(root) / self.audio

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of this record; what is `None` is left out."""
        found: dict[str, Any] = {"id": self.id, **({"text": self.text} if self.transcribed else {})}
        for name in ("spoken", "audio", "duration", "sentiment", "speaker", "voice", "split"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        if self.entities is not None:
            found["entities"] = [entity.to_dict() for entity in self.entities]
        if self.augmentation is not None:
            found["augmentation"] = [dict(step) for step in self.augmentation]
        return {**found, **self.extra}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """Build a record from its JSON object.

        Raises:
            RecordError: when a field is missing, of a wrong type or out of range.
        """
        if not isinstance(values, Mapping):
            raise RecordError(f"expected a JSON object, found {_kind(values)}; write one record a line")
        known = {name: _text(values, name) for name in _TEXT_FIELDS}
        known["id"] = identity(values)
        transcribed = known["text"] is not None
        if not transcribed and known["audio"] is not None:
            known["text"] = ""
        for name in ("id", "text"):
            if known[name] is None:
                raise RecordError(f"field `{name}`: is missing")
        return cls(
            **known,  # type: ignore[arg-type]  # checked in the loop above
            transcribed=transcribed,
            duration=number_field(values, "duration"),
            entities=_entities(values, known["text"] or ""),
            augmentation=_steps(values),
            extra={key: value for key, value in values.items() if key not in _FIELDS},
        )

    def with_types(self, key: str) -> Record:
        """The same record with each entity's type taken from its annotation `key` (for example `type18`).

        Raises:
            RecordError: when an entity has no such key.
        """
        if self.entities is None:
            return self
        for index, entity in enumerate(self.entities):
            if not isinstance(entity.extra.get(key), str):
                raise RecordError(f"record {self.id!r}: field `entities[{index}].{key}`: is missing")
        return replace(self, entities=tuple(replace(e, type=e.extra[key]) for e in self.entities))


_TEXT_FIELDS = ("text", "spoken", "audio", "sentiment", "speaker", "voice", "split")
_FIELDS = frozenset(("id", *_TEXT_FIELDS, "duration", "entities", "augmentation"))
_SPAN = ("start", "end", "type", "text")
"""The entity's keys that are not kept as they were; its `text` is checked, and then says nothing new."""


def read_records(path: str | os.PathLike[str], *, untranscribed: bool = False) -> Iterator[Record]:
    """Stream the records of a JSON-lines file. Blank lines are skipped, a repeated `id` is an error.

    Args:
        path: the file.
        untranscribed: whether records with audio may lack their text.

    Raises:
        RecordError: naming file, line and field; also when the file cannot be read.
    """
    seen: dict[str, int] = {}
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            record = Record.from_dict(json_value(line))
        except RecordError as error:
            raise RecordError(f"{os.fspath(path)}:{number}: {error}") from error
        if not (record.transcribed or untranscribed):
            raise RecordError(f"{os.fspath(path)}:{number}: field `text`: is missing")
        if record.id in seen:
            raise RecordError(
                f"{os.fspath(path)}:{number}: field `id`: {record.id!r} was already used in line "
                f"{seen[record.id]}"
            )
        seen[record.id] = number
        yield record


def manifest_names(paths: Sequence[str | os.PathLike[str]], depth: int = 1) -> list[str]:
    """A unique name for each manifest: the last folders of its path that distinguish it, joined by `-`.

    `slue-voxpopuli/test/manifest.jsonl` beside `slue-voxceleb/test/manifest.jsonl` is `slue-voxpopuli-test`.
    A file that is not called `manifest` has its own name as well.

    Args:
        paths: of the manifests. depth: at least so many parts.

    Raises:
        OptionError: one manifest is listed twice.
    """
    parts: list[tuple[str, ...]] = []
    for path in map(Path, paths):
        place = Path(os.path.realpath(path))
        own = place.parts[1:] if place.stem != "manifest" else place.parent.parts[1:]
        parts.append((*own[:-1], Path(own[-1]).stem if place.stem != "manifest" else own[-1]))
        if parts.count(parts[-1]) > 1:
            raise OptionError(f"{path}: is listed twice; list each manifest once")
    names = []
    for own in parts:
        length = depth
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("-".join(own[-length:]))
    return names


def output_folder(out: str | os.PathLike[str], source: str | os.PathLike[str]) -> Path:
    """The folder `out`, created if missing; its `manifest.jsonl` must not replace `source`.

    Raises:
        OptionError: it cannot be created or written, or its manifest is `source`.
    """
    folder = make_folder(Path(out))
    if not os.access(folder, os.W_OK):
        raise OptionError(f"{folder}: cannot be written; choose another folder")
    if os.path.realpath(folder / "manifest.jsonl") == os.path.realpath(source):
        raise OptionError(f"{folder}: its manifest.jsonl is the corpus itself; choose another folder")
    return folder


def write_records(path: str | os.PathLike[str], records: Iterable[Record]) -> int:
    """Write a JSON-lines file in one atomic step and return the number of records.

    A reader never sees a partial file: the lines go to a file beside it, which is then renamed.
    """
    count = 0
    with replacing(path) as partial, open(partial, "w", encoding="utf-8") as out:
        for record in records:
            out.write(json.dumps(record.to_dict(), ensure_ascii=False) + "\n")
            count += 1
    return count


def _check_entities(entities: Iterable[AnnotatedEntity], length: int) -> None:
    previous = 0
    for index, entity in enumerate(entities):
        place = f"field `entities[{index}]`"
        if not 0 <= entity.start < entity.end <= length:
            raise RecordError(
                f"{place}: [{entity.start}, {entity.end}) is not a span of a text of {length} characters"
            )
        if not entity.type:
            raise RecordError(f"field `entities[{index}].type`: is empty")
        if entity.start < previous:
            raise RecordError(
                f"{place}: starts at {entity.start}, before the previous entity's end {previous}; "
                "sort the entities and remove overlaps"
            )
        previous = entity.end


def identity(values: Mapping[str, Any]) -> str | None:
    """The `id` of a JSON object: a string, or a whole number (0 as well) as one; None when it has none.

    Raises:
        RecordError: it is anything else.
    """
    found = values.get("id")
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int):
        raise RecordError(f"field `id`: expected a string, found {_kind(found)}")
    return str(found)


def _entities(values: Mapping[str, Any], text: str) -> tuple[AnnotatedEntity, ...] | None:
    if values.get("entities") is None:
        return None
    found = values["entities"]
    if not isinstance(found, list):
        raise RecordError(f"field `entities`: expected a list, found {_kind(found)}")
    return tuple(_entity(value, f"entities[{index}]", text) for index, value in enumerate(found))


def _entity(value: Any, place: str, text: str) -> AnnotatedEntity:
    if not isinstance(value, Mapping):
        raise RecordError(f"field `{place}`: expected an object, found {_kind(value)}")
    for name, wanted in (("start", int), ("end", int), ("type", str)):
        if name not in value:
            raise RecordError(f"field `{place}.{name}`: is missing")
        if not isinstance(value[name], wanted) or isinstance(value[name], bool):
            raise RecordError(
                f"field `{place}.{name}`: expected {'a string' if wanted is str else 'an integer'}, "
                f"found {_kind(value[name])}"
            )
    extra = {key: item for key, item in value.items() if key not in _SPAN}
    entity = AnnotatedEntity(value["start"], value["end"], value["type"], extra)
    if 0 <= entity.start < entity.end <= len(text):  # anything else is told by the record
        check_phrase(value.get("text"), text, entity.start, entity.end, place)
    return entity


def check_phrase(given: Any, text: str, start: int, end: int, place: str) -> None:
    """Refuse an entity whose own `text`, if it has one, is not what its offsets hold.

    Raises:
        RecordError: naming both; mostly the offsets count UTF-16 units or bytes.
    """
    if isinstance(given, str) and given != text[start:end]:
        raise RecordError(
            f"field `{place}.text`: {given!r} is not what [{start}, {end}) of the text holds, "
            f"{text[start:end]!r}; offsets count characters (code points), the end exclusive"
        )


def _steps(values: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...] | None:
    found = values.get("augmentation")
    if found is None:
        return None
    if not isinstance(found, list) or not all(isinstance(step, Mapping) for step in found):
        raise RecordError("field `augmentation`: expected a list of objects")
    return tuple(found)


def _text(values: Mapping[str, Any], name: str) -> str | None:
    found = values.get(name)
    if found is not None and not isinstance(found, str):
        raise RecordError(f"field `{name}`: expected a string, found {_kind(found)}")
    return found


def number_field(values: Mapping[str, Any], name: str) -> float | None:
    """The number in a field; None without one. Raises `RecordError`."""
    found = values.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise RecordError(f"field `{name}`: expected a number, found {found!r}")
    try:
        return float(found)
    except OverflowError:
        raise RecordError(f"field `{name}`: the number has {len(str(found))} digits") from None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), f"the number {value!r}")
