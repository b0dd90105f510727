"""Redact recordings: transcript and audio without the words of chosen entities, verified by a second
transcription.

Nothing appears in DIR before it is complete. With --verify, the redacted audio is transcribed again, mixed
and by channel, and nothing is written if a redacted phrase is still in it (exit code 3).

examples:
  unislu redact call.mp3 -o redacted --types person,"phone number" --verify
  unislu redact call.mp3 -o redacted --text type --audio silence --guard 0.3 --format json,srt,html
  unislu redact call.mp3 -o redacted --preset pii --verify
  unislu redact *.wav -o redacted --text hash --key-file secret.key
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OptionError, RedactionError, UnisluError, VerificationError
from ..files import make_folder
from . import complain, request_options, writing
from .arguments import bias, names
from .writing import Writing

if TYPE_CHECKING:
    from ..recognition.model import Model
    from ..recognition.request import Request, RequestOptions
    from ..redact import Pseudonyms

NOT_VERIFIED = 3
NO_AUDIO = "none"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("files", nargs="+", metavar="FILE", help="audio or video files")
    parser.add_argument("-o", "--output", required=True, metavar="DIR", help="folder for everything written")
    parser.add_argument(
        "--types",
        type=names,
        action="extend",
        metavar="TYPE,…",
        help='entity types to redact, of any name: person,"phone number" (default: the closed set)',
    )
    parser.add_argument(
        "--preset",
        metavar="P",
        help="a set of types: pii, pci or phi; adds to --types",
    )
    parser.add_argument(
        "--text",
        default="mask",
        metavar="HOW",
        help="what replaces the words: mask, type or hash (default: mask)",
    )
    parser.add_argument(
        "--audio",
        default="beep",
        metavar="HOW",
        help="what covers the words: beep, silence, or none for no audio (default: beep)",
    )
    parser.add_argument(
        "--guard",
        type=float,
        default=0.15,
        metavar="S",
        help="seconds covered before and after words (default: 0.15)",
    )
    parser.add_argument(
        "--untimed",
        default="refuse",
        metavar="HOW",
        help="if words have no times: refuse the file, or cover the whole segment (default: refuse)",
    )
    parser.add_argument(
        "--verify", action="store_true", help="transcribe the redacted audio again before writing"
    )
    parser.add_argument(
        "--key-file", metavar="FILE", help="key of --text hash (default: a random one per run)"
    )
    parser.add_argument(
        "-f",
        "--format",
        type=names,
        default=["json"],
        metavar="F,…",
        help="formats of the transcripts (default: json)",
    )
    writing.configure(parser)
    parser.add_argument(
        "--bias",
        type=bias,
        metavar="B",
        help="above 0 redacts more; as for analyze (default: 2)",
    )
    parser.add_argument(
        "--no-surnames",
        action="store_true",
        help="keep a surname on its own even if the full name was redacted",
    )
    request_options.configure_recording(parser)
    request_options.configure_vocabulary(parser)
    request_options.configure_model(parser)
    request_options.configure_device(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="do not print paths and warnings")


def run(arguments: argparse.Namespace) -> int:
    """Redact every file; 3 if one was not verified, else 1 if one failed."""
    request, pseudonyms, shown = _checked(arguments)
    from ..recognition.model import load

    model = load(arguments.bundle, threads=arguments.threads, device=arguments.device)
    model.check(request)
    code = 0
    for file in arguments.files:
        try:
            for line in _redact(model, Path(file), request, pseudonyms, shown, arguments):
                if not arguments.quiet:
                    print(line, file=sys.stderr)
        except VerificationError as error:
            complain(error)
            code = NOT_VERIFIED
        except UnisluError as error:
            complain(error)
            code = code or 1
    return code


def _checked(arguments: argparse.Namespace) -> tuple[Request, Pseudonyms, Writing]:
    """What the options ask for, checked before a model is loaded. Raises `OptionError`."""
    from ..recognition.request import Request
    from ..redact import AUDIO_HOWS, Pseudonyms, check_guard, check_untimed
    from ..writers import get_writer

    if arguments.audio not in (*AUDIO_HOWS, NO_AUDIO):
        raise OptionError(f"--audio is {arguments.audio!r}: choose from {', '.join(AUDIO_HOWS)}, {NO_AUDIO}")
    if arguments.verify and arguments.audio == NO_AUDIO:
        raise OptionError("--verify needs the redacted audio: drop it, or drop --audio none")
    check_guard(arguments.guard)
    check_untimed(arguments.untimed)
    writers = [get_writer(name) for name in arguments.format]
    if any(writer.needs_speakers for writer in writers):
        raise OptionError("--format rttm shows who speaks, and redact tells no speakers apart: leave it out")
    suffixes = [writer.suffix for writer in writers]
    if len(set(suffixes)) < len(suffixes):
        raise OptionError(f"--format {','.join(arguments.format)}: two of these formats have the same suffix")
    _check_targets(arguments.files, Path(arguments.output), suffixes)
    key = None if arguments.key_file is None else _key(arguments.key_file)
    options: RequestOptions = {
        **request_options.vocabulary(arguments),
        "entities": _types(arguments),
        "bias": _bias(arguments),
        "operating_point": arguments.operating_point,
        "channels": arguments.channels,
        "vad": arguments.vad,
    }
    return Request(**options), Pseudonyms(arguments.text, key), Writing.of(arguments)


def _types(arguments: argparse.Namespace) -> list[str] | None:
    """The types to redact. Raises `OptionError` for an unknown preset."""
    from ..recognition.presets import preset

    types: list[str] | None = arguments.types
    if arguments.preset is None:
        return types
    preset(arguments.preset)
    return [*(types or ()), arguments.preset]


def _bias(arguments: argparse.Namespace) -> float | dict[str, float]:
    """The bias to look for them with."""
    from ..redact import REDACT_BIAS

    wanted: float | dict[str, float] | None = arguments.bias
    if wanted is not None:
        return wanted
    return REDACT_BIAS if arguments.operating_point is None else 0.0


def _check_targets(files: Sequence[str], folder: Path, suffixes: Sequence[str]) -> None:
    """Raises `OptionError` if an output would replace an input or another output."""
    make_folder(folder)
    sources = {os.path.realpath(file) for file in files}
    targets: dict[str, str] = {}
    for file in files:
        if file == "-":
            raise OptionError("- is stdin, which has no name and no container: give a file")
        for name in (Path(file).name, *(Path(file).stem + suffix for suffix in suffixes)):
            path = os.path.realpath(folder / name)
            if path in sources:
                raise OptionError(f"{file}: its redacted copy would replace {path}; choose another -o")
            # Compared without case: some file systems keep `a.mp3` and `A.mp3` in one file.
            if targets.setdefault(path.casefold(), file) != file:
                raise OptionError(
                    f"{file} and {targets[path.casefold()]} would both be {name}: redact them separately"
                )


def _key(path: str) -> bytes:
    try:
        return Path(path).read_bytes().strip()
    except OSError as error:
        raise OptionError(f"--key-file {path}: cannot be read ({error.strerror})") from None


def _redact(
    model: Model,
    source: Path,
    request: Request,
    pseudonyms: Pseudonyms,
    shown: Writing,
    arguments: argparse.Namespace,
) -> list[str]:
    """Redact one file; returns the paths of the files that were written."""
    from ..redact import Redaction, redact_audio, redact_verified

    target, how = Path(arguments.output), arguments.audio
    try:
        # Everything is written to a folder beside its destination, so that it can appear at once.
        with tempfile.TemporaryDirectory(prefix=".redact-", dir=target) as staging:
            folder = Path(staging, "done")
            folder.mkdir()
            recording, named = _kept(source, Path(staging))
            analysis = model.analyze(recording, request=request, **named)
            redaction = Redaction(
                analysis,
                None if request.entities is None else tuple(request.entities),
                untimed=arguments.untimed,
                guard=arguments.guard,
                surnames=not arguments.no_surnames,
                sound=how != NO_AUDIO,
            )
            notes: tuple[str, ...] = ()
            if how != NO_AUDIO:
                copy = folder / source.name
                if arguments.verify:
                    notes = redact_verified(
                        model, recording, copy, redaction, how, request=request, **named
                    ).notes
                    redaction.refuse_leaks()
                else:
                    duration, covers = analysis.duration, redaction.covers
                    notes = redact_audio(recording, copy, covers, how, 0.0, duration=duration, **named).notes
            redacted = redaction.redacted(pseudonyms, notes)
            for name in arguments.format:  # without audio the recording that a page plays is not there
                writer = shown.writer(name, folder / source.name, folder)
                (folder / (source.stem + writer.suffix)).write_bytes(writer.content(redacted))
            if not arguments.quiet:
                for warning in redacted.warnings:
                    complain(warning if warning.startswith(f"{source}: ") else f"{source}: {warning}")
            return [_moved(path, target) for path in sorted(folder.iterdir())]
    except OSError as error:
        if isinstance(error, UnisluError):  # some are OSErrors too
            raise
        raise RedactionError(f"{source}: cannot be written to {target} ({error.strerror})") from None


def _kept(source: Path, folder: Path) -> tuple[str, dict[str, Any]]:
    """The recording as a file that can be read twice (a pipe can be read only once), and its name for
    messages if that is not its path.
    """
    if source.is_file() or not source.exists():
        return str(source), {}
    from ..audio.media import open_media

    kept = folder / source.name
    with open_media(source) as media:
        media.file.seek(0)
        with open(kept, "wb") as file:
            shutil.copyfileobj(media.file, file)
    return str(kept), {"name": str(source)}


def _moved(path: Path, folder: Path) -> str:
    """Move a file to its destination; its path there, and whether a file was replaced."""
    target = folder / path.name
    replaced = " (replaced)" if target.exists() else ""
    os.replace(path, target)
    return f"{target}{replaced}"
