"""The command `unislu`. Each command has one file with `configure(parser)` and `run(arguments) -> exit
code`.

Exit codes: 0 all done, 1 an input failed (the others are still processed), 2 wrong usage,
130 interrupted. Results go to stdout, everything else to stderr. Heavy imports happen in `run`.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

from ..errors import OptionError, RecipeError, UnisluError
from .parser import Parser, Version

USAGE_ERROR = 2
INTERRUPTED = 130
BROKEN_PIPE = 141

_COMMANDS = {
    "analyze": "transcript, entities and sentiment of audio files",
    "redact": "transcript and audio without the words of chosen entities",
    "types": "entity types that a model knows, and presets of types",
    "listen": "live speech from the microphone or stdin",
    "prepare": "turn a published corpus into a manifest",
    "annotate": "label transcripts with entities using a language model",
    "batch": "transcribe many files, on this machine or a cluster, into Parquet",
    "browse": "search and play the results of batch on a local page",
    "evaluate": "score a model on manifests and write a report",
    "score": "score the predictions of any system, or compare two systems",
    "synthesize": "synthesise a text corpus: audio and a manifest for training",
    "train": "train a model from a recipe",
    "compare": "one table over several systems: scores, parameters, speed",
    "curve": "curves and analyses of the papers, as CSV and figure",
    "tune": "find entity biases that reach the precision or recall you need",
    "calibrate": "calibrate a bundle's confidences",
    "serve": "serve OpenAI's transcription API, unislu's own, and a web page",
    "mcp": "serve tools for language models (MCP) over stdin and stdout",
    "export": "export a trained checkpoint as a model bundle",
    "models": "list the models by name",
    "download": "download a model",
    "package": "build an installable package of a bundle",
    "push": "publish a bundle on the Hugging Face hub",
    "tools": "single steps of preparing corpora and checkpoints",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code. Errors that a user can cause never show a traceback."""
    _open_streams()
    _accept_any_text()
    try:
        words = sys.argv[1:] if argv is None else argv
        arguments = build_parser(words[0] if words else "").parse_args(argv)
        code: int = import_module(f".{arguments.command}", __name__).run(arguments)
        sys.stdout.flush()
        return code
    except (OptionError, RecipeError) as error:
        complain(error)
        return USAGE_ERROR
    except UnisluError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        print("\nunislu: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # the reader is gone
        return BROKEN_PIPE
    except (
        OSError
    ) as error:  # a full disk, a folder that cannot be written: anything that no command expected
        complain(_failure(error))
        _drop_output()
        return 1


def _failure(error: OSError) -> str:
    reason = error.strerror or str(error)
    if error.errno == errno.EBADF:
        return f"standard output: cannot be written ({reason}); open it, or send it to {os.devnull}"
    if error.filename is None:
        return f"reading or writing failed ({reason}); check the disk and the output path"
    return f"{os.fsdecode(error.filename)}: cannot be used ({reason}); check the path"


def _drop_output() -> None:
    """Keep the interpreter from failing again when it flushes output that could not be written."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _open_streams() -> None:
    """Stand-ins for streams that the caller closed, in their file descriptors, which other files would take.

    A closed stdin (`<&-`) is empty, and what goes to a closed stderr is dropped. Results that go to a closed
    stdout (`>&-`) are lost: writing them fails, with "bad file descriptor" as in other programs.
    """
    for name, mode, access in (
        ("stdin", "r", os.O_RDONLY),
        ("stdout", "w", os.O_RDONLY),
        ("stderr", "w", os.O_WRONLY),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, access)
            setattr(sys, name, open(descriptor, mode, encoding="utf-8"))  # noqa: SIM115 - until the end


def _accept_any_text() -> None:
    """Write results as UTF-8 to files and pipes; odd file names and terminals must not end in a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="replace")


def complain(error: object) -> None:
    """One line on stderr."""
    from ..writers.spans import printable

    print(f"unislu: {printable(' '.join(str(error).split()))}", file=sys.stderr)


def build_parser(only: str | None = None) -> argparse.ArgumentParser:
    """The command line; with `only` a command's name, no other is imported, and no other has its options."""
    parser = Parser(prog="unislu", description="Turn speech into a transcript with entities and sentiment.")
    parser.add_argument("--version", action=Version, nargs=0, help="show the versions and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in _COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if only in (None, name):
            module = import_module(f".{name}", __name__)
            command.description = module.__doc__
            module.configure(command)
    return parser
