"""The audio that `unislu listen` has read and not transcribed yet."""

from __future__ import annotations

import threading


class Buffer:
    """Audio between the source and the model: bounded, for one writer and one reader."""

    SECONDS = 60.0

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self._limit = int(self.SECONDS * 32000)
        self._ended = False
        self.lost = 0
        """Bytes dropped by a source that cannot wait."""
        self.error: BaseException | None = None
        self._changed = threading.Condition()

    def put(self, data: bytes, wait: bool) -> None:
        """Add PCM. When full, `wait` until there is room; otherwise the data is counted as lost."""
        with self._changed:
            while wait and self._length >= self._limit:
                self._changed.wait()
            if self._length >= self._limit:
                self.lost += len(data)
                return
            self._parts.append(data)
            self._length += len(data)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Mark the end of the audio."""
        with self._changed:
            self._ended, self.error = True, error
            self._changed.notify_all()

    def take(self, seconds: float) -> bytes | None:
        """Everything in the buffer, after waiting up to `seconds` if it is empty; None at the end."""
        with self._changed:
            if not self._parts and not self._ended:
                self._changed.wait(seconds)
            data, self._parts, self._length = b"".join(self._parts), [], 0
            self._changed.notify_all()
            return None if not data and self._ended else data
