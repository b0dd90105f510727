"""Downloads over HTTP, which resume where they broke off."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from unislu.errors import BundleError, BundleNotFoundError
from unislu.version import __version__

ATTEMPTS = 5
"""How often in a row a download may bring nothing before it is given up."""
PAUSE_SECONDS = 0.5
TIMEOUT_SECONDS = 30.0
_BLOCK = 1 << 18
_GONE = (404, 410)
_MADE_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_RANGE_REFUSED = 416

Watch = Callable[[int, int | None], None]
"""Called with the bytes that are there, and those that there will be (None: the server does not say)."""


def is_url(text: str) -> bool:
    """Whether a text is an address that this module can fetch."""
    return text.startswith(("http://", "https://"))


def read_url(url: str, limit: int) -> bytes:
    """A small file.

    Raises:
        BundleNotFoundError: it is not there.
        BundleError: it cannot be fetched, or is larger than `limit` bytes.
    """
    reason = ""
    for attempt in range(ATTEMPTS):
        _wait(attempt)
        try:
            with _open(url, 0) as response:
                content = _read(response, limit + 1)
                if len(content) > limit:
                    raise BundleError(f"{url}: is larger than {limit >> 20} MB; check the address")
                if not _is_short(response, len(content)):
                    return content
                reason = "the connection broke off"
        except _Failed as error:
            reason = str(error)
    raise BundleError(f"{url}: could not be downloaded ({reason}); check the address and the connection")


def fetch(url: str, partial: Path, watch: Watch = lambda done, total: None) -> None:
    """Download into `partial`, continuing after what an earlier attempt left there.

    Raises:
        BundleNotFoundError: it is not there.
        BundleError: it cannot be fetched; what arrived is kept, and the next call goes on there.
        OSError: it cannot be written.
    """
    idle, reason = 0, ""
    while idle < ATTEMPTS:
        _wait(idle)
        before = partial.stat().st_size if partial.exists() else 0
        try:
            if _go_on(url, partial, before, watch):
                return
            reason = "the connection broke off"
        except _Failed as error:
            reason = str(error)
        now = partial.stat().st_size if partial.exists() else 0
        idle = 0 if now > before else idle + 1
    kept = partial.stat().st_size if partial.exists() else 0
    raise BundleError(
        f"{url}: could not be downloaded ({reason}); {kept} bytes are kept, and the same command goes on "
        "from there"
    )


def _go_on(url: str, partial: Path, start: int, watch: Watch) -> bool:
    """One attempt from byte `start` on; whether the file is complete."""
    try:
        response = _open(url, start)
    except _RangeRefused:  # it is complete already, or another file than before: its hash will tell
        return True
    with response:
        resumed = response.status == http.client.PARTIAL_CONTENT
        done = start if resumed else 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None and length.isdigit() else None
        with partial.open("ab" if resumed else "wb") as file:
            while block := _read(response, _BLOCK):
                file.write(block)
                done += len(block)
                watch(done, total)
    return total is None or done >= total


class _Failed(Exception):
    """An attempt failed and may be repeated."""


class _RangeRefused(Exception):
    """The server has no bytes from there on."""


def _open(url: str, start: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"unislu/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        request = urllib.request.Request(url, headers=headers)
        response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
        return response
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_REFUSED and start:
            raise _RangeRefused from None
        if error.code in _GONE:
            raise BundleNotFoundError(f"{url}: is not there ({error.code}); check the address") from None
        if error.code not in _MADE_AGAIN:
            raise BundleError(
                f"{url}: the server refuses it ({error.code} {error.reason}); check the address and your "
                "access"
            ) from None
        raise _Failed(f"{error.code} {error.reason}") from None
    except urllib.error.URLError as error:
        raise _Failed(str(error.reason)) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Failed(str(error) or type(error).__name__) from None


def _read(response: http.client.HTTPResponse, size: int) -> bytes:
    """The next bytes; none at the end, which may be too early (`_is_short`)."""
    try:
        return response.read(size)
    except (OSError, http.client.HTTPException) as error:
        raise _Failed(str(error) or type(error).__name__) from None


def _is_short(response: http.client.HTTPResponse, count: int) -> bool:
    length = response.headers.get("Content-Length")
    return length is not None and length.isdigit() and count < int(length)


def _wait(attempt: int) -> None:
    if attempt:
        time.sleep(PAUSE_SECONDS * attempt)
