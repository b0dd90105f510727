"""Serve the page until stopped."""

from __future__ import annotations

import socket
import sys
import webbrowser
from urllib.parse import quote

import uvicorn

from ..server.run import PatientProtocol, check_address
from .access import Access
from .app import create_app
from .index import Index


class PageServer(uvicorn.Server):
    """Prints the page's address once it listens, and opens it."""

    def __init__(self, config: uvicorn.Config, access: Access, *, opens: bool) -> None:
        super().__init__(config)
        self._access, self._opens = access, opens
        self.url = ""
        """The page's address without the token."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.started:
            return
        port = self.servers[0].sockets[0].getsockname()[1]
        host = f"[{self._access.host}]" if ":" in self._access.host else self._access.host
        self.url = f"http://{host}:{port}/"
        address = f"{self.url}?token={quote(self._access.token)}"
        print(f"unislu: open {address}\nunislu: stop with Ctrl-C", file=sys.stderr, flush=True)
        if self._opens:
            webbrowser.open(f"{self.url}?token={quote(self._access.ticket)}")


def make_server(
    index: Index, access: Access, *, port: int = 0, audio_root: str | None = None, opens: bool = False
) -> PageServer:
    """A server that is not started yet; port 0 is any free one."""
    config = uvicorn.Config(
        create_app(index, access, audio_root), host=access.host, port=port, http=PatientProtocol, ws="none",
        access_log=False, log_level="warning", server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=2,
    )  # fmt: skip
    return PageServer(config, access, opens=opens)


def browse(
    folder: str, access: Access, *, port: int, audio_root: str | None = None, opens: bool = False
) -> int:
    """Read a results folder and serve its page until the process is stopped; returns the exit code.

    Raises:
        OptionError: no results in the folder, or nothing can listen on the address.
        MissingDependencyError: DuckDB is not installed.
    """
    check_address(access.host, port)
    index = Index(folder)
    try:
        for note in index.notes:
            print(f"unislu: warning: {note}", file=sys.stderr)
        server = make_server(index, access, port=port, audio_root=audio_root, opens=opens)
        server.run()
        return 0 if server.started else 1
    finally:
        index.close()
