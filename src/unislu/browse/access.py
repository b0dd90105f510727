"""Access control: requests need the token and must address this machine by a name of its own.

As Jupyter does, the address that is printed carries a token; the first visit turns it into a cookie. Another
user of this machine, a page of another origin, or a name that was rebound to 127.0.0.1 gets nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import os
import secrets
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..server.answers import ApiError
from ..server.security import STATIC, Keys, Patience, host_allowed, own_names
from ..server.settings import check_key

VARIABLE = "UNISLU_BROWSE_TOKEN"
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def new_token() -> str:
    """The token of `UNISLU_BROWSE_TOKEN`, else a random one. Raises `OptionError` if it can be guessed."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return secrets.token_urlsafe(24)
    check_key(given, VARIABLE)
    return given


@dataclass(frozen=True)
class Access:
    """Where the page is served, and the token that opens it."""

    host: str = "127.0.0.1"
    hosts: tuple[str, ...] = ()
    """Additional host names of this machine."""
    token: str = field(default_factory=new_token, repr=False)
    ticket: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Opens the page once. A browser's address is seen by every user of the machine while it starts."""

    @property
    def cookie(self) -> str:
        """The cookie's name: pages on other ports of a host see the same cookies."""
        return f"unislu-browse-{hashlib.sha256(self.token.encode()).hexdigest()[:8]}"


class AccessCheck:
    """ASGI middleware in front of every route."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access
        self._names = own_names(access.host, access.hosts)  # accepted besides those of the loopback
        self._keys, self._patience = Keys((access.token,)), Patience()
        self._tickets = Keys((access.ticket,))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # there is no websocket here

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        answer = await self._answer(scope) or self._app
        await answer(scope, receive, sending)

    async def _answer(self, scope: Scope) -> Response | None:
        """The response in place of the app's; None to let the request through."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not host_allowed(host, self._access.host, self._names):
            message = f"this page is not at {host[:100]!r}: add the name with --hosts"
            return ApiError(421, message, code="wrong_host").response()
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            return ApiError(403, "pages of other origins may not ask here", code="foreign_origin").response()
        if scope["path"].startswith(STATIC):
            return None
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        if "token" in query and scope["path"] == "/":
            return await self._enter(scope, query)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip() if scheme.lower() in ("bearer", "token") else self._from_cookie(headers)
        if self._keys.owner(given) is not None:
            return None
        if scope["path"] == "/":
            return _closed("")
        return ApiError(401, "open the address that `unislu browse` printed", code="invalid_token").response()

    async def _enter(self, scope: Scope, query: dict[str, str]) -> Response:
        """Set the token as a cookie, and redirect to the same address without it."""
        token = query.pop("token").strip()
        if self._tickets.owner(token) is not None:
            self._tickets = Keys(())
        elif self._keys.owner(token) is None:
            address, _ = scope.get("client") or ("", 0)
            await asyncio.sleep(self._patience.delay(address))
            return _closed("This is not the token of the page that runs here now.")
        answer = RedirectResponse(f"/?{urlencode(query)}" if query else "/", 303)
        answer.set_cookie(self._access.cookie, self._access.token, httponly=True, samesite="strict", path="/")
        return answer

    def _from_cookie(self, headers: Headers) -> str:
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return ""
        found = cookies.get(self._access.cookie)
        return "" if found is None else found.value


def _closed(problem: str) -> Response:
    said = f'<p class="error" role="alert">{html.escape(problem)}</p>' if problem else ""
    return HTMLResponse(
        f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>unislu browse</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="static/style.css"></head>
<body><main class="closed"><h1>unislu browse</h1>{said}
<p>Open the address that <code>unislu browse</code> printed in the terminal, or paste its token here.</p>
<form action="." method="get"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="off" required>
<button class="primary">Open</button></form>
</main></body></html>""",
        401,
    )
