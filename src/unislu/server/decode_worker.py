"""The process that decodes uploads. One JSON line in, one out.

Decoders are the target of hostile files, so they run in a separate process with the few rights of a
`sandbox`, without the server's environment and Python's search path; `decoding.DecoderPool` starts and kills
it.

    in:  {"source": path, "target": path, "name": …, "split": …, "max_seconds": …, "room": bytes}
    out: {"seconds": …, "warnings": […]} or {"code": …, "message": …}

Without a target it only says how long the source says it is, or null. With {"covers": [[start, end], …],
"how": …, "duration": …} it writes a redacted copy instead, with {"copy": path, "target": path} what is left
to transcribe of such a copy.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from . import sandbox

if TYPE_CHECKING:
    from ..audio.samples import Float32


def main(start: dict[str, Any]) -> None:
    """Answer tasks until stdin ends. `start`: see `decoding.Confinement`."""
    sandbox.limit(start["file_bytes"])
    _load()
    sandbox.enter(start["read"], start["write"])
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # output of a library must not look like an answer
    for line in sys.stdin:
        sandbox.limit_cpu(start["cpu_seconds"])
        json.dump(_answer(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()


def _load() -> None:
    """Import what decoding needs, before the rights to do so are given up."""
    import av  # noqa: F401

    from .. import audio, redact  # noqa: F401


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    from ..errors import UnisluError

    try:
        if "copy" in task:
            return _without_tone(task)
        if "target" not in task:
            return _probe(task)
        return _redact(task) if "covers" in task else _decode(task)
    except TooLongError:
        return {"code": "audio_too_long", "message": ""}
    except FullError:
        return {"code": "disk_full", "message": ""}
    except UnisluError as error:
        if isinstance(error.__cause__, OSError):  # the target could not be written
            return _disk(error.__cause__)
        return {"code": "invalid_audio", "message": str(error)}
    except MemoryError:
        return {"code": "audio_too_large", "message": ""}
    except OSError as error:
        return _disk(error)


def _disk(error: OSError) -> dict[str, Any]:
    too_large = error.errno == errno.EFBIG
    return {"code": "audio_too_large" if too_large else "disk", "message": str(error)}


class TooLongError(Exception):
    """More audio than allowed."""


class FullError(Exception):
    """More audio than there is room for now."""


def _decode(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source as 16 kHz WAV while it is decoded; returns its length."""
    from ..audio import SAMPLE_RATE, open_audio
    from ..audio.wav import write_wav

    with open_audio(task["source"], name=task["name"], split=task["split"]) as stream:
        blocks = _bounded(stream, task["max_seconds"] * SAMPLE_RATE, task["room"])
        _, samples = write_wav(task["target"], blocks)
        return {"seconds": samples / SAMPLE_RATE, "warnings": list(stream.warnings)}


def _probe(task: dict[str, Any]) -> dict[str, Any]:
    """The length that the source states."""
    from ..audio import open_audio

    with open_audio(task["source"], name=task["name"]) as stream:
        next(iter(stream), None)
        return {"seconds": stream.seconds}


def _bounded(blocks: Iterable[Float32], most: float, room: int) -> Iterator[Float32]:
    """The blocks, up to the maximum length (twice that for all channels together) and to `room` bytes."""
    samples = values = 0
    for block in blocks:
        samples += block.shape[1]
        values += block.size
        if samples > most or values > 2 * most:
            raise TooLongError
        if 2 * values > room:
            raise FullError
        yield block


def _redact(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source with the audio of some seconds covered."""
    from ..redact import redact_audio

    covers = [(start, end) for start, end in task["covers"]]
    copy = redact_audio(
        task["source"], task["target"], covers, task["how"], 0.0,
        duration=task["duration"], name=task["name"],
    )  # fmt: skip
    return {"notes": list(copy.notes), "format": copy.format}


def _without_tone(task: dict[str, Any]) -> dict[str, Any]:
    """Write a redacted copy as input for its verification."""
    from ..redact.cover import write_without_tone

    return {"channels": write_without_tone(task["copy"], task["target"], name=task["name"])}
