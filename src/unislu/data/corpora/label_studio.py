"""Label Studio's export (JSON) of tasks of `unislu analyze -f label-studio`, corrected by annotators.

Every region of the audio with a transcript becomes a record. The entities are regions of the task's text,
which stays as it was recognised, so they are carried over to the corrected transcripts. A region that is not
in order costs itself and one line, nothing else.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from math import inf, isfinite
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from unislu.audio import SAMPLE_RATE, open_audio
from unislu.audio.samples import Float32
from unislu.audio.wav import write_pcm
from unislu.data.corpora.build import BuildOptions, Built, CorpusAudio, Tally, listed
from unislu.data.records import AnnotatedEntity, Record
from unislu.errors import AudioError, RecordError
from unislu.writers.label_studio import SPEECH

_TASK = re.compile(r'\{\s*"id"\s*:\s*\d+\s*,\s*"annotations"\s*:')
"""How the export begins a task."""
_LOCAL = "/data/local-files/"
_UPLOADED = re.compile(r"^[0-9a-f]{8}-")
"""What Label Studio puts before the name of an uploaded file."""
_SPEECH, _TRANSCRIPT, _SENTIMENT, _ENTITIES = "speech", "transcription", "sentiment", "entities"
_ALIKE = 0.5  # likeness from which on one word is the other one corrected
_WORD = re.compile(r"\w+|[^\w\s]")


class _Broken(Exception):
    """A region or a task is malformed."""


@dataclass
class _Region:
    """A stretch of the audio, by what its controls say."""

    start: float
    end: float
    channel: int = 0
    speaker: str | None = None
    text: str | None = None
    sentiment: str | None = None
    entities: list[AnnotatedEntity] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """The valid part of a task."""

    id: str
    text: str
    data: Mapping[str, Any]
    regions: Sequence[tuple[str, _Region]]
    """With their ids, in order of time."""
    entities: Sequence[tuple[str, AnnotatedEntity]]
    """With their ids, at offsets of `text`."""


def label_studio(source: Path, options: BuildOptions, tally: Tally) -> Built:
    """The records of an export, or of all `*.json` in a folder.

    Raises `RecordError` for a file that cannot be read or is no export.
    """
    seen: set[str] = set()
    for path in listed(source, "*.json", "export of Label Studio") if source.is_dir() else [source]:
        for number, values in _tasks(path, tally):
            case = _case(path, number, values)
            try:
                task = _task(values, case, number, tally)
            except _Broken as error:
                tally.refuse(f"{case}: {error}")
                continue
            if task is None:
                tally.count("task without an annotation", case)
                continue
            name = task.id
            while name in seen:  # exports of two projects
                name += "+"
            seen.add(name)
            yield from _records(task, name, path, case, tally)


def _case(path: Path, number: int, values: Any) -> str:
    """A task in messages: its place in the file, from 1, and the id that Label Studio shows."""
    given = values.get("id") if isinstance(values, Mapping) else None
    return f"{path}: task {number}" + ("" if given is None else f" (id {given!s:.40})")


def _tasks(path: Path, tally: Tally) -> Iterator[tuple[int, Any]]:
    """(number from 1, value) of the tasks of a file; where one is not JSON, reading goes on with the next."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise RecordError(f"{path}: cannot be read ({reason}); give Label Studio's export as JSON") from None
    decoder, place, number = json.JSONDecoder(), len(text) - len(text.lstrip()), 0
    if text[place : place + 1] != "[":
        raise RecordError(f"{path}: is not a list of tasks; give Label Studio's export as JSON")
    while True:
        place = _after(text, place + 1)
        if text[place : place + 1] == "]" and number == 0:
            return
        number += 1
        try:
            value, place = decoder.raw_decode(text, place)
            place = _after(text, place)
            yield number, value
            if text[place : place + 1] == ",":
                continue
            if text[place : place + 1] == "]":
                return
            problem = (
                f"the list goes on with {text[place : place + 10]!r}" if text[place:] else "the file ends"
            )
        except (ValueError, RecursionError) as error:
            problem = f"is not JSON: {error}"
        following = _TASK.search(text, place + 1)
        rest = "the next task is read" if following else "nothing after it can be read"
        tally.refuse(f"{path}: task {number}: {problem}; {rest}: export it again")
        if following is None:
            return
        place = following.start() - 1


def _after(text: str, place: int) -> int:
    """The end of the blanks from `place` on."""
    while text[place : place + 1].isspace():
        place += 1
    return place


def _task(values: Any, case: str, number: int, tally: Tally) -> _Task | None:
    """A task with those regions that are in order; None if nobody annotated it. Raises `_Broken`."""
    if not isinstance(values, Mapping) or not isinstance(values.get("data"), Mapping):
        raise _Broken("has no data; export as JSON, not as JSON-MIN")
    text = values["data"].get("text")
    if not isinstance(text, str):
        raise _Broken("its data has no text; was it written by `unislu analyze -f label-studio`?")
    annotation = _annotation(values.get("annotations"))
    if annotation is None:
        return None
    results = annotation.get("result")
    if not isinstance(results, list):
        raise _Broken("its annotation has no list of results")
    regions: dict[str, _Region] = {}
    entities: list[tuple[str, AnnotatedEntity]] = []
    name = re.sub(r"[^\w.+-]", "_", str(values.get("id", number)))
    for place, result in enumerate(results):
        shown = result.get("id", place) if isinstance(result, Mapping) else place
        try:
            key, control, value = _result(result)
            if control == _ENTITIES:
                entities.append((key, _entity(value, text)))
            else:
                _of_audio(regions, key, control, value, values["data"])
        except _Broken as error:
            tally.refuse(f"{case}: region {shown!r}: {error}; left out")
    ordered = sorted(regions.items(), key=lambda item: item[1].start)
    return _Task(name, text, values["data"], ordered, entities)


def _annotation(annotations: Any) -> Mapping[str, Any] | None:
    """The ground truth if one is marked, else the last annotation that was not cancelled."""
    found = [a for a in annotations or () if isinstance(a, Mapping) and not a.get("was_cancelled")]
    if not found:
        return None
    return max(found, key=lambda a: (bool(a.get("ground_truth")), str(a.get("updated_at") or "")))


def _result(result: Any) -> tuple[str, str, Mapping[str, Any]]:
    """Id, control and value of one result. Raises `_Broken`."""
    if not isinstance(result, Mapping) or not isinstance(result.get("value"), Mapping):
        raise _Broken("has no value")
    control = result.get("from_name")
    known = (_SPEECH, _TRANSCRIPT, _SENTIMENT, _ENTITIES)
    if control not in known:
        raise _Broken(f"its control (from_name) is {control!r}, not one of {', '.join(known)}")
    if not isinstance(result.get("id"), str):
        raise _Broken(f"its id is {result.get('id')!r}, not a string")
    return result["id"], control, result["value"]


def _of_audio(
    regions: dict[str, _Region], key: str, control: str, value: Mapping[str, Any], data: Mapping[str, Any]
) -> None:
    """Add what a control says of a region. Raises `_Broken`."""
    start, end = _number(value, "start"), _number(value, "end")
    duration = data.get("duration")
    longest = float(duration) if isinstance(duration, int | float) and duration > 0 else inf
    if not 0 <= start < min(end, longest):
        raise _Broken(f"its times {start:g}…{end:g} s are not in a recording of {longest:g} s")
    channel = value.get("channel", 0)
    if not isinstance(channel, int) or isinstance(channel, bool) or channel < 0:
        raise _Broken(f"its channel is {channel!r}, not a whole number")
    said = _strings(value, {_SPEECH: "labels", _TRANSCRIPT: "text", _SENTIMENT: "choices"}[control])
    region = regions.setdefault(key, _Region(start, min(end, longest), channel))
    if control == _SPEECH:
        region.speaker = None if said[0] == SPEECH else said[0]
    elif control == _TRANSCRIPT:
        region.text = " ".join(" ".join(said).split())
    else:
        region.sentiment = said[0]


def _entity(value: Mapping[str, Any], text: str) -> AnnotatedEntity:
    """An entity without the blanks around it. Raises `_Broken`."""
    start, end = _whole(value, "start"), _whole(value, "end")
    if not 0 <= start < end <= len(text):
        raise _Broken(f"its characters {start}…{end} are not in a text of {len(text)}")
    phrase = text[start:end]
    given = value.get("text")
    if isinstance(given, str) and given.split() != phrase.split():
        raise _Broken(f"its text is {given!r:.60}, but characters {start}…{end} are {phrase!r:.60}")
    if not phrase.strip():
        raise _Broken(f"its characters {start}…{end} are blank")
    start += len(phrase) - len(phrase.lstrip())
    end -= len(phrase) - len(phrase.rstrip())
    return AnnotatedEntity(start, end, _strings(value, "labels")[0])


def _strings(value: Mapping[str, Any], name: str) -> list[str]:
    found = value.get(name)
    if isinstance(found, str) and name == "text":
        return [found]
    if not isinstance(found, list) or not found or not all(isinstance(item, str) for item in found):
        raise _Broken(f"its {name} are {found!r:.60}, not a list of strings")
    if name != "text" and not found[0].strip():
        raise _Broken(f"its {name} are empty")
    if any("\ud800" <= c <= "\udfff" for item in found for c in item):
        raise _Broken(f"its {name} hold half a character (a lone surrogate)")
    return found


def _number(value: Mapping[str, Any], name: str) -> float:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not isfinite(found):
        raise _Broken(f"its {name} is {found!r:.60}, not a number")
    return float(found)


def _whole(value: Mapping[str, Any], name: str) -> int:
    number = _number(value, name)
    if number != int(number):
        raise _Broken(f"its {name} is {number:g}, not a whole number of characters")
    return int(number)


def _records(task: _Task, name: str, path: Path, case: str, tally: Tally) -> Built:
    """The records of a task, with the sound of each."""
    said = []
    for key, region in task.regions:
        if region.text is None:
            tally.refuse(f"{case}: region {key!r}: has no transcript; left out")
        else:
            said.append(region)
    _carry_over(task, said, case, tally)
    recording, sound = _recording(task, path, case, tally)
    for number, region in enumerate(said):
        record = Record(
            id=f"{name}-{number + 1}",
            text=region.text or "",
            audio=recording,
            duration=round(region.end - region.start, 3),
            entities=tuple(region.entities),
            sentiment=region.sentiment,
            speaker=region.speaker,
            # Where it is in a recording that is not here: only a whole file may stand without it.
            extra={} if sound is not None else {"offset": region.start},
        )
        yield record, None if sound is None else _clip(record.id, sound, region, task.data)


def _carry_over(task: _Task, said: Sequence[_Region], case: str, tally: Tally) -> None:
    """Give each region the entities whose words it has, at offsets of its own corrected text."""
    starts, joined = [], ""
    for region in said:
        joined += " " if joined else ""
        starts.append(len(joined))
        joined += region.text or ""
    moved = _Moved(task.text, joined)
    for key, entity in sorted(task.entities, key=lambda item: (item[1].start, -item[1].end)):
        phrase = task.text[entity.start : entity.end]
        span = moved.span(entity.start, entity.end)
        if span is None:
            tally.refuse(
                f"{case}: region {key!r}: {phrase!r:.60} is not in the transcripts any more; left out"
            )
            continue
        place = max(n for n, start in enumerate(starts) if start <= span[0])
        region, start, end = said[place], span[0] - starts[place], span[1] - starts[place]
        if end > len(region.text or ""):
            tally.refuse(f"{case}: region {key!r}: {phrase!r:.60} goes beyond one region of audio; left out")
        elif region.entities and start < region.entities[-1].end:
            tally.refuse(f"{case}: region {key!r}: {phrase!r:.60} overlaps another entity; left out")
        else:
            region.entities.append(AnnotatedEntity(start, end, entity.type))


class _Moved:
    """Maps the words of one text to those of a corrected one."""

    def __init__(self, old: str, new: str) -> None:
        self._old, self._new = list(_WORD.finditer(old)), list(_WORD.finditer(new))
        before, after = [m[0] for m in self._old], [m[0] for m in self._new]
        self._blocks = SequenceMatcher(None, before, after, autojunk=len(before) > 2000).get_opcodes()

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The characters of the new text for those of the old one; None if none of their words is left."""
        inside = [n for n, word in enumerate(self._old) if word.start() < end and word.end() > start]
        places = [place for n in inside for place in self._places(n)]
        if not places:
            return None
        return self._new[min(places)].start(), self._new[max(places)].end()

    def _places(self, number: int) -> Iterable[int]:
        """The new words in place of an old one: itself, the like of it, or all that replaced its stretch."""
        for kind, first, last, new_first, new_last in self._blocks:
            if first <= number < last:
                if kind == "equal" or last - first == new_last - new_first:
                    return [new_first + number - first]
                new = range(new_first, new_last)
                alike = [n for n in new if _likeness(self._old[number][0], self._new[n][0]) >= _ALIKE]
                return alike or new
        return []


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower(), other.lower()).ratio()


def _recording(task: _Task, path: Path, case: str, tally: Tally) -> tuple[str | None, Float32 | None]:
    """Where a task's recording should be, and its samples, [channels, n]; None if they cannot be read."""
    wanted = [task.data.get(key) for key in ("file", "audio")]
    names = [name for name in wanted if isinstance(name, str) and name.isprintable() and name]
    for place in _candidates(names, path.parent):
        if place.is_file():
            try:
                with open_audio(place, split=True) as stream:
                    return str(place), np.concatenate(list(stream), axis=1)
            except AudioError as error:
                tally.refuse(f"{case}: {error}; its records have no audio")
                return str(place), None
    shown = names[-1] if names else None
    tally.refuse(
        f"{case}: its recording {shown!r} is not here; its records have no audio: put it beside {path}"
    )
    return shown, None


def _candidates(names: Sequence[str], folder: Path) -> Iterator[Path]:
    """Where a recording may be: at its path, in Label Studio's local storage, or beside the export."""
    for name in names:
        address = urlsplit(name)
        local = parse_qs(address.query).get("d", [""])[0] if address.path.endswith(_LOCAL) else ""
        plain = local or (name if not address.scheme else unquote(address.path))
        if local or not address.scheme:
            yield Path(plain)
            yield folder / plain
        last = Path(plain).name
        yield from (folder / last, folder / _UPLOADED.sub("", last))


def _clip(name: str, sound: Float32, region: _Region, data: Mapping[str, Any]) -> CorpusAudio:
    """The samples of a region, as WAV."""
    split = data.get("channels") == "split" and region.channel < len(sound)
    channel = sound[region.channel] if split else sound.mean(axis=0)
    first, last = round(region.start * SAMPLE_RATE), round(region.end * SAMPLE_RATE)
    content = io.BytesIO()
    samples = (channel[first:last] * 32_768.0).round().clip(-32_768, 32_767)
    write_pcm(content, samples.astype(np.int16), SAMPLE_RATE)
    return CorpusAudio(content.getvalue(), f"{name}.wav")
