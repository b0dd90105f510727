"""How far long work is: one line that renews itself on a terminal, one line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

_TERMINAL_SECONDS, _LOG_SECONDS = 0.25, 60.0


class ProgressLine:
    """Shows what `text` says after so many seconds, on stderr or `stream`, and not more often than of use."""

    def __init__(
        self, text: Callable[[float], str], *, enabled: bool = True, stream: TextIO | None = None
    ) -> None:
        self._text = text
        self._enabled = enabled
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._started = time.monotonic()
        self._shown = float("-inf")

    def show(self, *, final: bool = False) -> None:
        """Something has advanced; `final`: for the last time."""
        now = time.monotonic()
        pause = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        if not self._enabled or (not final and now - self._shown < pause):
            return
        self._shown = now
        text = self._text(now - self._started)
        if self._terminal:
            self._stream.write(f"\r\x1b[K{text}" + ("\n" if final else ""))
        else:
            self._stream.write(text + "\n")
        self._stream.flush()


def clock(seconds: float) -> str:
    """Whole seconds as `12:05`, or `1:00:09` from an hour on."""
    minutes, rest = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
