"""The process that decodes uploads: `python -m unislu.server.decode_worker`. One JSON line in, one out.

Decoders are where hostile files strike, so they run apart from the server: memory is limited here, time
by `decoding.DecoderPool`, which kills this process and starts another.

    in:  {"source": path, "target": path, "name": …, "split": …, "max_seconds": …}
    out: {"seconds": …, "warnings": […]} or {"code": …, "message": …}

With {"spans": [[start, end], …], "how": …, "guard": …, "heard": …} it writes a redacted copy instead, with
{"heard_of": path, "target": path} what is heard of such a copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..audio.samples import Float32

MEMORY_BYTES = 3 << 30  # address space; the libraries alone map about 1 GB


def main() -> None:
    """Answer until stdin ends."""
    _limit_memory()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    for line in sys.stdin:
        json.dump(_answer(json.loads(line)), answers)
        answers.write("\n")
        answers.flush()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _answer(task: dict[str, Any]) -> dict[str, Any]:
    from ..errors import UnisluError

    try:
        if "heard_of" in task:
            return _hear(task)
        return _redact(task) if "spans" in task else _decode(task)
    except TooLongError:
        return {"code": "audio_too_long", "message": ""}
    except UnisluError as error:
        message = str(error).replace(task["source"], task["name"]).replace(task["target"], task["name"])
        return {"code": "invalid_audio", "message": message}
    except MemoryError:
        return {"code": "audio_too_large", "message": ""}
    except OSError as error:
        return {"code": "disk", "message": str(error)}


class TooLongError(Exception):
    """More audio than allowed."""


def _decode(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source as 16 kHz float32 WAV while it is decoded, and say how long it is."""
    from ..audio import SAMPLE_RATE, open_audio
    from ..audio.writer import write_wav

    with open_audio(task["source"], name=task["name"], split=task["split"]) as stream:
        blocks = _bounded(stream, task["max_seconds"] * SAMPLE_RATE)
        _, samples = write_wav(task["target"], blocks)
        return {"seconds": samples / SAMPLE_RATE, "warnings": list(stream.warnings)}


def _bounded(blocks: Iterable[Float32], most: float) -> Iterator[Float32]:
    samples = 0
    for block in blocks:
        samples += block.shape[1]
        if samples > most:
            raise TooLongError
        yield block


def _redact(task: dict[str, Any]) -> dict[str, Any]:
    """Write the source with the sound of some seconds covered."""
    from ..redact import redact_audio

    spans = [(start, end) for start, end in task["spans"]]
    copy = redact_audio(
        task["source"], task["target"], spans, task["how"], task["guard"],
        heard=task["heard"], name=task["name"],
    )  # fmt: skip
    return {"notes": list(copy.notes), "format": copy.format}


def _hear(task: dict[str, Any]) -> dict[str, Any]:
    """Write what is heard of a redacted copy."""
    from ..redact.listening import write_heard

    return {"channels": write_heard(task["heard_of"], task["target"])}


if __name__ == "__main__":
    main()
