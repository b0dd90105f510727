"""Ctrl-C as a request to stop: finished work is kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupt:
    """While its block runs and it is `armed`, the first SIGINT only sets `asked`; any other raises as
    usual.

    `armed` is False until there is something to keep. Outside the main thread it changes nothing.
    """

    def __init__(self) -> None:
        self.armed = False
        self.asked = False
        self._before: object = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked or not self.armed:
            raise KeyboardInterrupt
        self.asked = True
