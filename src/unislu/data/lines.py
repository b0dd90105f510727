"""Line-based text files: how all corpora, manifests and journals of lines are read.

A line ends at a line feed, a carriage return, or both, and nowhere else: `str.splitlines` also breaks at
U+2028, U+0085 and six more characters that are text to everybody who writes such files.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any

from unislu.errors import RecordError


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text, blank lines included."""
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        yield number, line.removesuffix("\n")


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a UTF-8 file, with or without a byte-order mark.

    Raises:
        RecordError: the file cannot be read, or is no UTF-8.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line.removesuffix("\n")
    except UnicodeDecodeError as error:
        raise RecordError(f"{name}: not UTF-8 text ({error}); save it as UTF-8") from error
    except OSError as error:
        raise RecordError(f"{name}: cannot be read: {error.strerror or error}; check the path") from error
    except ValueError as error:  # a path that no file can have
        raise RecordError(f"{name!r}: cannot be read: {error}; check the path") from error


def json_value(text: str) -> Any:
    """The value of a line or a file of JSON.

    Raises:
        RecordError: it is not JSON, nested without end, or holds a number or a character that nobody means.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise RecordError(f"not valid JSON: {error}") from None
    except RecursionError:
        raise RecordError("not valid JSON: brackets are nested too deeply") from None
    except ValueError:  # Python's own limit on digits
        raise RecordError("not valid JSON: a number has thousands of digits") from None
    if "\\u" in text and not _is_encodable(value):
        raise RecordError("not valid JSON: it holds half a character (a lone surrogate)")
    return value


def _is_encodable(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def json_objects(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(place, object) of a JSON list or of JSON lines; places begin with `name`.

    Raises:
        RecordError: naming the place.
    """
    is_list = text.lstrip().startswith("[")
    for place, row in _placed_rows(text, name) if is_list else _placed_lines(text, name):
        if not isinstance(row, Mapping):
            raise RecordError(f"{place}: is {type(row).__name__}, not an object")
        yield place, row


def _placed_rows(text: str, name: str) -> Iterator[tuple[str, Any]]:
    try:
        rows = json_value(text)
    except RecordError as error:
        raise RecordError(f"{name}: {error}") from None
    for number, row in enumerate(rows, start=1):
        yield f"{name}: row {number}", row


def _placed_lines(text: str, name: str) -> Iterator[tuple[str, Any]]:
    for number, line in lines_of(text):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", json_value(line)
        except RecordError as error:
            raise RecordError(f"{name}:{number}: {error}; give one object a line") from None


def tsv_fields(line: str) -> list[str]:
    """The fields of one line of a tab-separated file, written with or without quoting.

    pandas quotes a field that holds a quote; most other tools quote nothing, and their sentences may begin
    with a quotation mark. A line is taken as quoted only if it is exactly what a quoting writer writes;
    either way it is one row, so a stray mark costs no other line.
    """
    if '"' not in line:
        return line.split("\t")
    try:
        (fields,) = csv.reader([line], delimiter="\t", strict=True)
    except (csv.Error, ValueError):
        return line.split("\t")
    return fields if line in _quoted(fields) else line.split("\t")


def _quoted(fields: list[str]) -> Iterator[str]:
    """A row from a writer that quotes fields."""
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_ALL):
        written = io.StringIO()
        csv.writer(written, delimiter="\t", lineterminator="", quoting=quoting).writerow(fields)
        yield written.getvalue()
