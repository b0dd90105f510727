"""Transcribe audio files and find their named entities and sentiment.

examples:
  unislu analyze call.mp3
  unislu analyze *.wav --format jsonl > results.jsonl
  unislu analyze talk.m4a --entities person,drug,"phone number" --bias 1.5
  unislu analyze - < clip.ogg --tasks sa -o out/
  unislu analyze call.wav --channels split

Ctrl-C stops early and keeps what was transcribed; a second one stops at once.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..errors import OptionError, UnisluError
from . import INTERRUPTED, complain, request_options, writing
from .interrupt import Interrupt

if TYPE_CHECKING:
    from ..audio import AudioSource
    from ..recognition.longform import FileProgress
    from ..recognition.model import Model
    from ..recognition.request import Request, RequestOptions
    from .output import Output

STDIN = "-"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio or video files; - is stdin")
    request_options.configure_files(parser)
    parser.add_argument(
        "-f",
        "--format",
        metavar="FORMAT",
        help="text, json, jsonl, txt, srt, vtt, html, conll, rttm, textgrid, elan, label-studio, docbin or "
        "parquet (default: text; json with -o)",
    )
    parser.add_argument("-o", "--output", metavar="DIR", help="write one file for each input into DIR")
    writing.configure(parser)
    request_options.configure_model(parser)
    request_options.configure_device(parser)
    parser.add_argument("--window", type=float, metavar="S", help="longest window, in seconds")
    parser.add_argument(
        "--pad", type=float, default=0.2, metavar="S", help="seconds kept around speech (default: 0.2)"
    )
    parser.add_argument(
        "--merge", type=float, default=0.5, metavar="S", help="longest pause inside a window (default: 0.5)"
    )
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours (default: auto)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress and no warnings")


def run(arguments: argparse.Namespace) -> int:
    """Analyse every file; 1 if one of them failed."""
    from ..recognition.request import Request
    from .output import Output

    _check_stdin(arguments.files)
    # Report wrong usage before a model is loaded.
    fields: RequestOptions = {
        **request_options.file_options(arguments),
        "window": arguments.window,
        "pad": arguments.pad,
        "merge": arguments.merge,
    }
    request = Request(**fields)
    output = Output(
        arguments.files, request, writing.Writing.of(arguments), format=arguments.format,
        folder=arguments.output, color=arguments.color, quiet=arguments.quiet,
    )  # fmt: skip

    from ..recognition.model import load

    model = load(arguments.bundle, threads=arguments.threads, device=arguments.device)
    model.check(request)
    sources = [_Stdin() if file == STDIN else file for file in arguments.files]
    with output, Interrupt() as interrupt:
        done, failed = _transcribe(model, sources, request, output, interrupt)
    if interrupt.asked:
        left = len(sources) - done
        complain(
            f"interrupted; {left} of {len(sources)} files were not transcribed" if left else "interrupted"
        )
        return INTERRUPTED
    return 1 if failed else 0


def _transcribe(
    model: Model,
    sources: Sequence[AudioSource],
    request: Request,
    output: Output,
    interrupt: Interrupt,
) -> tuple[int, int]:
    """Write the result of every source until all are done or Ctrl-C; returns how many were done and how many
    failed.
    """

    def watch(progress: FileProgress) -> bool:
        interrupt.armed = True
        output.advance(progress)
        return interrupt.asked

    results = model.analyze_many(
        sources, request=request, on_error="yield", progress=output.progress, watch=watch
    )
    done = failed = 0
    for done, result in enumerate(results, start=1):
        if isinstance(result, Exception):
            failed += 1
            output.clear_progress()
            complain(result)
        else:
            try:
                output.write(done - 1, result)
            except UnisluError as error:  # only this file failed; the others may still be written
                failed += 1
                complain(error)
    return done, failed


def _check_stdin(files: Sequence[str]) -> None:
    if files.count(STDIN) > 1:
        raise OptionError("- is listed twice, but stdin can be read only once")
    if STDIN in files and sys.stdin.isatty():
        raise OptionError(
            "- is stdin, which is a terminal here: pipe an audio file into it, or give a file name"
        )


class _Stdin:
    """Standard input as a file object with a name for messages and results."""

    name = "stdin"

    def read(self) -> bytes:
        return sys.stdin.buffer.read()
