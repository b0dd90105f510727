"""The tools, independent of the protocol: analyse, redact, search, list."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import OptionError, RedactionError, UnisluError
from ...recognition.request import Request
from ...redact import REDACT_BIAS, Pseudonyms, Redaction, redact_verified
from ...result import Analysis, plain
from ...writers.spans import speaker_names
from .folders import Folders
from .search import Query, search

if TYPE_CHECKING:
    from ...recognition.longform import FileProgress
    from ...recognition.model import Model

Watch = Callable[["FileProgress"], object]
MAX_LISTED = 500


@dataclass(frozen=True)
class Places:
    """The folders that the operator lets a client access."""

    recordings: Folders
    results: Path | None = None
    """The results of `unislu batch`."""
    output: Path | None = None
    """For redacted copies."""


class Tools:
    """The tools. The model is loaded when it is first needed, and used by one call at a time."""

    def __init__(self, places: Places, load: Callable[[], Model]) -> None:
        self._places, self._load = places, load
        self._lock = threading.Lock()
        self._loaded: Model | None = None

    def list_recordings(self, containing: str = "", offset: int = 0) -> dict[str, Any]:
        """Names of the files in the folders whose name contains a text."""
        names = [n for n, _ in self._places.recordings.files() if containing.casefold() in n.casefold()]
        return {"total": len(names), "recordings": names[max(0, offset) :][:MAX_LISTED]}

    def analyze(self, path: str, request: Request, full: bool, watch: Watch | None = None) -> dict[str, Any]:
        """The result of a recording; `full`: with words, offsets and scores. Raises `UnisluError`."""
        name, place = self._places.recordings.file(path)
        with self._lock:
            analysis = self._model().analyze(place, request, name=name, watch=watch)
        return analysis.to_dict() if full else brief(analysis)

    def redact(
        self, path: str, types: Sequence[str] | None, how: str, copy: bool, watch: Watch | None = None
    ) -> dict[str, Any]:
        """The result without the words of some types; `copy` writes the recording without them too.

        Raises:
            OptionError: no folder was named for copies, or one of that name is there.
            VerificationError: something is still recognised in the copy, so nothing is written.
            UnisluError: as for `Model.analyze` and `Redaction`.
        """
        name, place = self._places.recordings.file(path)
        pseudonyms = Pseudonyms(how)
        target = self._target(place) if copy else None
        request = Request(entities=types, bias=REDACT_BIAS)
        with self._lock:
            analysis = self._model().analyze(place, request, name=name, watch=watch)
            redaction = Redaction(analysis, types, sound=copy)
            if target is None:
                redacted = redaction.redacted(pseudonyms)
            else:
                redacted = self._copy(place, target, redaction, pseudonyms, request, name)
        written = None if target is None else target.name
        return {**brief(redacted), "copy": written, "verified": redaction.verified}

    def search(self, query: Query) -> dict[str, Any]:
        """As `search.search`. Raises `OptionError` if no results were named."""
        if self._places.results is None:
            raise OptionError("there are no results to search: start the server with --results DIR")
        return search(self._places.results, query)

    def _model(self) -> Model:
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded

    def _target(self, place: Path) -> Path:
        if self._places.output is None:
            raise OptionError("no copy can be written: start the server with --output DIR")
        target = self._places.output / place.name
        if os.path.lexists(target):
            raise OptionError(f"{target.name}: a copy of that name is there; move it away first")
        return target

    def _copy(
        self,
        place: Path,
        target: Path,
        redaction: Redaction,
        pseudonyms: Pseudonyms,
        request: Request,
        name: str,
    ) -> Analysis:
        """Write a verified copy, which appears only if all succeeds. Raises `RedactionError`."""
        try:
            with tempfile.TemporaryDirectory(prefix=".redact-", dir=target.parent) as folder:
                written = Path(folder, target.name)
                copy = redact_verified(self._model(), place, written, redaction, request=request, name=name)
                redaction.refuse_leaks()
                redacted = redaction.redacted(pseudonyms, copy.notes)
                os.replace(written, target)
                return redacted
        except OSError as error:
            if isinstance(error, UnisluError):
                raise
            raise RedactionError(f"{name}: its copy cannot be written ({error.strerror})") from None


def brief(analysis: Analysis) -> dict[str, Any]:
    """A short form of a result."""
    names = speaker_names(analysis)
    shown: dict[str, Any] = {
        "file": analysis.file,
        "duration": round(analysis.duration, 2),
        "text": analysis.text,
        "entities": [_short(plain(entity)) for entity in analysis.entities or ()],
        "sentiment": plain(analysis.sentiment),
        "segments": [
            {
                "start": round(segment.start, 2),
                "end": round(segment.end, 2),
                "text": segment.text,
                "sentiment": None if segment.sentiment is None else segment.sentiment.label,
            }
            | ({} if segment.speaker is None else {"speaker": names[segment.speaker]})
            for segment in analysis.segments
            if segment.text
        ],
        "warnings": list(analysis.warnings),
    }
    return shown


def _short(entity: dict[str, Any]) -> dict[str, Any]:
    """An entity without its offsets, which language models cannot use."""
    left_out = ("start_char", "end_char", "start_word", "end_word")
    return {key: value for key, value in entity.items() if key not in left_out}
