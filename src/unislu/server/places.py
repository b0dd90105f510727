"""Limited places shared by clients: a limit for all, and a lower one for each key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .answers import TOO_MANY, ApiError


class Places:
    """Counts the places that are held. For the event loop's thread."""

    def __init__(
        self, limit: int, share: float = 1.0, told: Callable[[int], object] = lambda _: None
    ) -> None:
        """`share`: the share of places that one owner may hold. `told`: called with the number of places
        held.
        """
        self.limit = limit
        self.each = max(1, int(limit * share))
        self._held: Counter[str] = Counter()
        self._told = told

    @property
    def held(self) -> int:
        """The number of places held."""
        return self._held.total()

    @contextmanager
    def hold(self, owner: str, what: str, retry_after: int) -> Iterator[None]:
        """Hold a place. Raises `ApiError` (429) if there is none left, or none for this owner."""
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
        """Raises `ApiError` (429) if `held` is the limit for all, or `own` that for one owner."""
        if held >= self.limit:
            message = f"{held} {what}: try again in {retry_after} s"
            raise ApiError(TOO_MANY, message, code="queue_full", retry_after=retry_after)
        if own >= self.each:
            message = f"{own} {what} with this key, the maximum for one key: try again in {retry_after} s"
            raise ApiError(TOO_MANY, message, code="key_quota", retry_after=retry_after)
