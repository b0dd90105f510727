"""Output of results to stdout or to one file for each input; progress and warnings go to stderr."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OptionError, UnisluError
from ..files import make_folder, write_whole
from ..progress import LiveLine, clock
from ..recognition.request import Request
from ..result import Analysis
from ..writers import get_writer, terminal
from . import complain
from .writing import Writing

if TYPE_CHECKING:
    from ..recognition.longform import FileProgress

_NARROW, _WIDE = 40, 100
_LONG = 60.0  # seconds of audio from which on progress within a file is shown


class Output:
    """Writes the results of several inputs; a context manager that completes its output.

    Raises `OptionError` if the format cannot hold what was requested, or the folder cannot be created.
    """

    def __init__(
        self,
        inputs: list[str],
        request: Request,
        writing: Writing,
        *,
        format: str | None = None,
        folder: str | None = None,
        color: str = "auto",
        quiet: bool = False,
    ) -> None:
        self._inputs, self._writing, self._quiet = inputs, writing, quiet
        self._format = format or ("json" if folder else "text")
        self._writer = get_writer(self._format)
        if self._writer.needs_text and not request.wants_text:
            raise OptionError(f"--format {self._format} is the transcript: add asr to --tasks")
        if self._writer.needs_speakers and request.speakers is None:
            raise OptionError(f"--format {self._format} shows who speaks: add --speakers auto")
        if self._writer.one_file and len(inputs) > 1 and folder is None:
            raise OptionError(f"--format {self._format} of {len(inputs)} files needs a folder: add -o DIR")
        if self._writer.binary is not None and folder is None and sys.stdout.isatty():
            raise OptionError(f"--format {self._format} is binary: add -o DIR or redirect the output")
        self._color = _use_color(color)
        self._array = self._format == "json" and folder is None and len(inputs) > 1
        self._count = 0
        self._said: set[str] = set()  # warnings about options, which are the same for every file
        self._line = LiveLine(not quiet)
        self._file, self._since, self._from = -1, 0.0, 0.0  # the start of the progress estimate
        self._paths: list[Path] = []
        if folder is not None:
            self._paths = _output_paths(Path(folder), inputs, self._writer.suffix)

    def __enter__(self) -> Output:
        if self._array:
            sys.stdout.write("[\n")
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.clear_progress()
        if self._array and kind is None:
            sys.stdout.write("]\n")

    def write(self, number: int, analysis: Analysis) -> None:
        """Write the result of input `number`."""
        self.clear_progress()
        if not self._quiet:
            for warning in analysis.warnings:
                if warning not in self._said:
                    complain(f"warning: {warning}")
            self._said.update(analysis.warnings)
        if self._paths:
            self._write_file(number, analysis)
            return
        writer = self._writing.writer(self._format, self._inputs[number], ".")
        if writer.binary is not None:
            sys.stdout.buffer.write(writer.binary(analysis))
            return
        text = writer.render(analysis)
        if self._format == "text":
            width = max(_NARROW, min(_WIDE, shutil.get_terminal_size((_WIDE, 24)).columns))
            text = ("\n" if self._count else "") + terminal.render(analysis, self._color, width)
        elif self._array:
            text = (",\n" if self._count else "") + text
        self._count += 1
        sys.stdout.write(text)
        sys.stdout.flush()

    def _write_file(self, number: int, analysis: Analysis) -> None:
        path = self._paths[number]
        writer = self._writing.writer(self._format, self._inputs[number], path.parent)
        try:
            replaced = " (replaced)" if path.exists() else ""
            write_whole(path, writer.content(analysis))
        except OSError as error:
            raise UnisluError(f"{path}: cannot be written ({error.strerror}); choose another -o") from None
        if not self._quiet:
            print(f"{path}{replaced}", file=sys.stderr)

    def progress(self, number: int) -> None:
        """Show on a terminal which of several files is being transcribed."""
        if len(self._inputs) > 1:
            self._show(f"Transcribing {self._name(number)}")

    def advance(self, progress: FileProgress) -> None:
        """Show on a terminal the progress of a long file and the time left."""
        if progress.file != self._file:
            self._file, self._since, self._from = progress.file, time.monotonic(), progress.seconds
        if progress.total is not None and progress.total < _LONG:
            return
        line = f"Transcribing {self._name(progress.file)}  "
        if progress.total is not None:
            line += f"{100 * progress.seconds / progress.total:.0f} % · {clock(progress.seconds)} of "
            line += clock(progress.total)
            spent, gained = time.monotonic() - self._since, progress.seconds - self._from
            if spent > 1 and gained > 0:
                line += f" · {clock(max(0.0, progress.total - progress.seconds) * spent / gained)} left"
        else:
            line += clock(progress.seconds)
        self._show(line)

    def _name(self, number: int) -> str:
        name = Path(self._inputs[number]).name
        return f"[{number + 1}/{len(self._inputs)}] {name}" if len(self._inputs) > 1 else name

    def _show(self, line: str) -> None:
        self._line.show(line[: _NARROW * 2])

    def clear_progress(self) -> None:
        """Before anything else is written to the terminal."""
        self._line.clear()


def _use_color(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def _output_paths(folder: Path, inputs: list[str], suffix: str) -> list[Path]:
    """One path per input. Inputs with the same name get `-2`, `-3`, …; an input is never overwritten."""
    make_folder(folder)
    sources = {os.path.realpath(name) for name in inputs}
    taken: set[str] = set()
    paths = []
    for name in inputs:
        stem = "stdin" if name == "-" else Path(name).stem
        candidate, number = f"{stem}{suffix}", 1
        # Compared without case: some file systems keep `a.json` and `A.json` in one file.
        while candidate.casefold() in taken or os.path.realpath(folder / candidate) in sources:
            number += 1
            candidate = f"{stem}-{number}{suffix}"
        taken.add(candidate.casefold())
        paths.append(folder / candidate)
    return paths
