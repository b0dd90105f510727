"""Places that clients share: so many in all, and only some of them for one key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .answers import TOO_MANY, ApiError


class Places:
    """Counts who holds places. For the event loop's thread."""

    def __init__(
        self, limit: int, share: float = 1.0, told: Callable[[int], object] = lambda _: None
    ) -> None:
        """`share`: of the places, that one owner may hold. `told`: called with the number that are held."""
        self.limit = limit
        self.each = max(1, int(limit * share))
        self._held: Counter[str] = Counter()
        self._told = told

    @property
    def held(self) -> int:
        """Places that are held."""
        return self._held.total()

    @contextmanager
    def hold(self, owner: str, what: str, retry_after: int) -> Iterator[None]:
        """Hold a place. Raises `ApiError` (429) when there is none left, or none for this owner."""
        self.check(self.held, self._held[owner], what, retry_after)
        self._held[owner] += 1
        self._told(self.held)
        try:
            yield
        finally:
            self._held[owner] -= 1
            if not self._held[owner]:
                del self._held[owner]
            self._told(self.held)

    def check(self, held: int, own: int, what: str, retry_after: int) -> None:
        """Raises `ApiError` (429) when `held` places are all, or `own` are as many as an owner may have."""
        if held >= self.limit:
            message = f"{held} {what}: try again in {retry_after} s"
            raise ApiError(TOO_MANY, message, code="queue_full", retry_after=retry_after)
        if own >= self.each:
            message = f"{own} {what} with this key, the most for one key: try again in {retry_after} s"
            raise ApiError(TOO_MANY, message, code="key_quota", retry_after=retry_after)
