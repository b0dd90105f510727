"""Middleware in front of every route: keys, foreign origins, unknown host names; counting.

Every page that a user visits can reach a server on 127.0.0.1 without a key. So pages of another origin may
not post to it (`Origin`), and a name that was rebound to 127.0.0.1 is refused (`Host`).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import socket
import time
from collections.abc import Collection, Iterable, Sequence
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from .answers import ApiError, unforeseen
from .metrics import Metrics
from .settings import ServerSettings, is_loopback
from .uploads import drain

OPEN_PATHS = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/favicon.ico"})
STATIC = "/static/"
SUBPROTOCOL = "bearer."
"""Browsers cannot set headers of a websocket, so they send the key as the subprotocol `bearer.<base64url of
it>`.
"""

FIRST_DELAY, LONGEST_DELAY = 0.25, 5.0
"""Delay in seconds of the answer to a wrong key: the first one, and after many."""
FORGET_SECONDS = 300.0
MAX_ADDRESSES = 10_000
_HARMLESS = ("GET", "HEAD", "OPTIONS")
_METHODS = (*_HARMLESS, "POST", "PUT", "PATCH", "DELETE")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'self'; media-src 'self' blob:; connect-src 'self' blob:; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}


class Keys:
    """The accepted keys, compared in constant time."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def __bool__(self) -> bool:
        return bool(self._digests)

    def owner(self, key: str) -> str | None:
        """A name for the holder of a key; None if the key is not accepted."""
        digest = hashlib.sha256(key.encode()).digest()
        # All keys are compared, so that the time reveals nothing.
        matches = [hmac.compare_digest(digest, known) for known in self._digests]
        return hashlib.sha256(b"owner" + digest).hexdigest()[:16] if any(matches) else None


class WrongKey(ApiError):
    """A key that is not accepted: perhaps a guess."""


class Patience:
    """The delay of the answer to a wrong key: longer with each one from the same address."""

    def __init__(self) -> None:
        self._wrong: dict[str, tuple[int, float]] = {}

    def delay(self, address: str) -> float:
        """Count a wrong key; returns the delay in seconds."""
        now = time.monotonic()
        if len(self._wrong) >= MAX_ADDRESSES:
            self._wrong = {one: seen for one, seen in self._wrong.items() if now - seen[1] < FORGET_SECONDS}
        count, last = self._wrong.get(address, (0, now))
        count = 0 if now - last >= FORGET_SECONDS else count
        if len(self._wrong) < MAX_ADDRESSES or address in self._wrong:
            self._wrong[address] = (count + 1, now)
        return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(count, 16))


class Gate:
    """ASGI middleware: rejects what must not reach a route, adds headers, counts."""

    def __init__(self, app: ASGIApp, settings: ServerSettings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._keys = Keys(settings.keys)
        self._patience = Patience()
        self._names = own_names(settings.host, settings.hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                extra = [(k.encode(), v.encode()) for k, v in _HEADERS.items() if k.encode() not in present]
                message["headers"] = [*message["headers"], *extra]
            await send(message)

        try:
            self._check(scope)
        except ApiError as error:
            await self._refuse(error, scope, receive, sending)
        else:
            try:
                await self._app(scope, receive, sending)
            except Exception as error:  # for any error the client gets an answer in our format
                answer = unforeseen(error)  # logged there
                if scope["type"] != "http" or status:
                    raise
                await answer.response()(scope, receive, sending)
        if scope["type"] == "http":
            route = getattr(scope.get("route"), "path", None) or "other"
            # A client may invent methods; each would become a time series of its own.
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.requests.labels(route, method, str(status)).inc()
            self._metrics.latency.labels(route).observe(time.perf_counter() - started)

    async def _refuse(self, error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
        if isinstance(error, WrongKey):
            address, _ = scope.get("client") or ("", 0)
            await asyncio.sleep(self._patience.delay(address))
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(error.response())
            return
        await drain(Request(scope, receive))
        await error.response()(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        self._check_host(host)
        origin = headers.get("origin")
        own = origin is None or _split(origin).netloc == host  # `null`, a file or a sandbox, is foreign
        if not own and origin not in self._settings.cors and scope.get("method") not in _HARMLESS:
            message = (
                f"pages of {str(origin)[:100]} may not call this server: if this is the server's address "
                "behind a proxy, or a page that you trust, add it with --cors"
            )
            raise ApiError(403, message, code="foreign_origin")
        scope.setdefault("state", {})["owner"] = self._owner(scope, headers)

    def _check_host(self, host: str) -> None:
        """Without keys the host name is checked: a page may have bound a name of its own to this server."""
        if self._keys:
            return
        if host_allowed(host, self._settings.host, self._names):
            return
        name = _split(f"//{host}").hostname or ""
        message = f"this server is not {name[:100]!r}: add the name with --hosts"
        raise ApiError(421, message, code="wrong_host")

    def _owner(self, scope: Scope, headers: Headers) -> str:
        if not self._keys:
            return ""
        path = scope["path"]
        if scope["type"] == "http" and (path in OPEN_PATHS or path.startswith(STATIC)):
            return ""
        if scope.get("method") == "OPTIONS":
            return ""
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "token"):
            key = _from_subprotocol(headers) if scope["type"] == "websocket" else ""
        owner = self._keys.owner(key.strip())
        if owner is None:
            if key:
                raise WrongKey(401, "the key is unknown", code="invalid_api_key")
            raise ApiError(401, "send a key: Authorization: Bearer KEY", code="invalid_api_key")
        return owner


def own_names(host: str, hosts: Iterable[str]) -> frozenset[str]:
    """Names under which `host` is reached on the network, and those of `--hosts`."""
    own = () if is_loopback(host) else (socket.gethostname(), f"{socket.gethostname()}.local")
    return frozenset(name.lower() for name in (*hosts, *own))


def host_allowed(host: str, listening: str, names: Collection[str]) -> bool:
    """Whether a `Host` header names this machine: no name that somebody has bound to its address.

    Args:
        host: the header.
        listening: the address on which the server listens.
        names: names of the machine besides those of the loopback, in lower case.
    """
    name = _split(f"//{host}").hostname or ""
    if name in names or is_loopback(name):
        return True
    return not is_loopback(listening) and _is_address(name)


def _is_address(name: str) -> bool:
    """Whether it is a numeric address, which no name server can rebind."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")  # of nobody, so rejected


def _from_subprotocol(headers: Headers) -> str:
    for name in headers.get("sec-websocket-protocol", "").split(","):
        if name.strip().startswith(SUBPROTOCOL):
            coded = name.strip().removeprefix(SUBPROTOCOL)
            try:
                return base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode()
            except (binascii.Error, UnicodeDecodeError):
                return ""
    return ""
