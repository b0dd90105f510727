"""Transcribe live speech: words as they are said, entities as they close, a running sentiment.

Ctrl-C stops it: the open utterance is completed and printed first.

examples:
  unislu listen
  unislu listen --entities person,"phone number" --format jsonl
  ffmpeg -v error -i talk.mp4 -f s16le -ac 1 -ar 16000 - | unislu listen -
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..errors import AudioError, OptionError
from ..progress import LiveLine, clock
from . import INTERRUPTED, complain, request_options
from .interrupt import Interrupt
from .pcm_buffer import Buffer

if TYPE_CHECKING:
    from ..listen import Event, Listener
    from ..recognition.request import RequestOptions

STDIN = "-"
_READ = 3200  # bytes read from stdin at once: 0.1 s
_CONTAINERS = {b"RIFF": "WAV", b"ID3": "MP3", b"fLaC": "FLAC", b"OggS": "Ogg", b"\x1aE\xdf\xa3": "WebM"}
_LIVE = 1.5  # audio that arrives this many times faster than real time is not live speech


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "source", nargs="?", metavar="-", help="- is stdin: raw 16-bit little-endian PCM, mono, 16 kHz"
    )
    parser.add_argument("--stdin", action="store_true", help="the same as -")
    parser.add_argument("--device", metavar="D", help="microphone: its number or a part of its name")
    request_options.configure(parser)
    request_options.configure_speakers(parser)
    parser.add_argument(
        "--interval",
        type=float,
        metavar="S",
        help="seconds between two drafts of an utterance (default: 0.4)",
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=("text", "jsonl"),
        default="text",
        help="text, or jsonl: every event (default: text)",
    )
    request_options.configure_model(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no partial words and no warnings")


def run(arguments: argparse.Namespace) -> int:
    """Listen until the source ends or Ctrl-C."""
    from ..listen import INTERVAL, Listener
    from ..recognition.request import Request

    # Wrong usage is reported before a model is loaded.
    fields: RequestOptions = {**request_options.options(arguments), **request_options.speakers(arguments)}
    request = Request(**fields)
    from_stdin = _is_stdin(arguments)
    interval = INTERVAL if arguments.interval is None else arguments.interval
    if not from_stdin:
        from .microphone import find

        find(arguments.device)

    from ..recognition.model import load

    model = load(arguments.bundle, threads=arguments.threads)
    listener = Listener(model, request, interval=interval)
    screen = _Screen(arguments.format == "jsonl", arguments.quiet)
    buffer = Buffer()
    with Interrupt() as interrupt:
        interrupt.armed = True
        if from_stdin:
            threading.Thread(target=_read_stdin, args=(buffer,), daemon=True).start()
            _listen(listener, buffer, interrupt, screen)
        else:
            from .microphone import recording

            with recording(arguments.device, buffer):
                screen.say("listening; Ctrl-C ends it")
                _listen(listener, buffer, interrupt, screen)
    # For a microphone this is the normal end; the rest of stdin was not transcribed.
    return INTERRUPTED if from_stdin and interrupt.asked else 0


def _is_stdin(arguments: argparse.Namespace) -> bool:
    """Whether the source is stdin rather than the microphone. Raises `OptionError` for anything else."""
    if arguments.source not in (None, STDIN):
        raise OptionError(
            f"{arguments.source!r}: give - for stdin, or nothing for the microphone; for files use `unislu "
            "analyze`"
        )
    if not (arguments.stdin or arguments.source):
        return False
    if arguments.device is not None:
        raise OptionError(
            f"--device {arguments.device} is a microphone, but the source is stdin: drop one of them"
        )
    if sys.stdin.isatty():
        raise OptionError("stdin is a terminal here: pipe raw 16-bit PCM into it")
    return True


def _read_stdin(buffer: Buffer) -> None:
    # Unbuffered: a thread that waits inside a buffered reader holds its lock, on which the interpreter aborts
    # when the command ends before its input does.
    source = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
    try:
        while data := source.read(_READ):
            buffer.put(data, wait=True)
        buffer.end()
    except (OSError, ValueError) as error:
        buffer.end(error)


def _listen(listener: Listener, buffer: Buffer, interrupt: Interrupt, screen: _Screen) -> None:
    from ..listen import EndEvent, pcm_samples

    begun, rest, first = time.monotonic(), b"", b""
    while not interrupt.asked and (data := buffer.take(0.1)) is not None:
        if data and not first:
            first = data[:4]
            _check_raw(first)
        whole = len(rest + data) // 2 * 2
        data, rest = (rest + data)[:whole], (rest + data)[whole:]
        if data:
            screen.show(listener.feed(pcm_samples(data)))
    events = listener.finish()
    screen.show(events)
    if buffer.error is not None:
        raise AudioError(f"stdin: cannot be read ({buffer.error}); pipe raw 16-bit PCM into it")
    if not first and not interrupt.asked:
        raise AudioError("stdin: ended without any audio; check the command that is piped into it")
    if rest:
        screen.say("warning: stdin ended in the middle of a sample: is it 16-bit PCM?")
    if buffer.lost:
        screen.say(f"warning: {buffer.lost / 32000:.1f} s of audio were lost: this machine is too slow")
    end = events[-1]
    live = isinstance(end, EndEvent) and end.duration < _LIVE * (time.monotonic() - begun)
    if live and isinstance(end, EndEvent) and end.skipped:
        screen.say(
            f"{end.skipped} partial results were skipped because the computation fell behind; no audio was"
        )


def _check_raw(first: bytes) -> None:
    """Raises `AudioError` if the data begins like an audio file rather than like PCM."""
    for magic, kind in _CONTAINERS.items():
        if first.startswith(magic):
            raise AudioError(
                f"stdin: is {kind}, not raw PCM: pipe it through ffmpeg -v error -i - -f s16le -ac 1 "
                "-ar 16000 -, or give it to `unislu analyze -`"
            )


class _Screen:
    """Prints events as JSON lines, or final events as lines with partial words below them on a terminal."""

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self._json, self._quiet = as_json, quiet
        self._partial = LiveLine(not as_json and not quiet)

    def say(self, message: str) -> None:
        if not self._quiet:
            self._partial.clear()
            complain(message)

    def show(self, events: Iterable[Event]) -> None:
        for event in events:
            if self._json:
                print(json.dumps(event.to_dict(), ensure_ascii=False), flush=True)
            else:
                self._show(event)

    def _show(self, event: Event) -> None:
        from ..listen import FinalEvent, PartialEvent
        from ..writers.spans import printable

        if isinstance(event, PartialEvent):
            room = max(20, shutil.get_terminal_size((80, 24)).columns - 1)
            self._partial.show(printable(event.text)[-room:])
        elif isinstance(event, FinalEvent):
            self._partial.clear()
            print(_line(event), flush=True)
            if event.failed is not None:
                self.say(
                    f"warning: {clock(event.start)}–{clock(event.end)}: {event.failed}; some may be missing"
                )


def _line(event: Any) -> str:
    """A final event as `[0:12] [Ann](PERSON) called. (positive 75 %)`."""
    from ..writers.spans import percent, printable

    text, shown, position = event.text, [], 0
    for entity in event.entities or ():
        start, end = entity.start_char - event.start_char, entity.end_char - event.start_char
        shown.append(printable(text[position:start]))
        shown.append(f"[{printable(text[start:end])}]({printable(entity.type)})")
        position = end
    who = "".join(f"{printable(name)}: " for name in _speakers(event))
    line = f"[{clock(event.start)}] {who}{''.join(shown)}{printable(text[position:])}"
    if event.sentiment is None:
        return line
    label = event.sentiment.label
    return f"{line} ({label} {percent(event.sentiment.scores[label])})"


def _speakers(event: Any) -> list[str]:
    """The names of those who speak in a final event, in order, as one item: `Ann, S2`; none if not known."""
    names = {speaker.id: speaker.name or speaker.id for speaker in event.speakers or ()}
    ids = dict.fromkeys(word.speaker for word in event.words or () if word.speaker is not None)
    return [", ".join(names[who] for who in ids)] if ids else []
