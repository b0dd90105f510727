"""uvicorn with this server's limits: idle connections are closed, many sockets are allowed, a stop is
graceful.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import OptionError
from .app import create_app
from .service import Service
from .settings import ServerSettings, split_address

HEADER_BYTES = 32 * 1024
IDLE_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 60  # longer than clients pause: closing a connection just as it is reused is an error
BACKLOG = 2048
MAX_MESSAGE = 1 << 20  # of a websocket, in bytes: 30 s of audio


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for the head of every request.

    It drops a client that connects and sends nothing, never completes the headers of a request, or keeps
    sending the body of a request that was answered long ago.
    """

    _given_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch(waits=True)

    def connection_lost(self, exc: Exception | None) -> None:
        self._watch(waits=False)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch(waits=self._waits())

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch(waits=self._waits())

    def handle_websocket_upgrade(self, event: Any) -> None:
        self._watch(waits=False)
        super().handle_websocket_upgrade(event)

    def _waits(self) -> bool:
        """Whether part of a request has arrived and none is being processed."""
        if self.transport.get_protocol() is not self:  # it has become a websocket
            return False
        if self.cycle is not None and not self.cycle.response_complete:
            return False
        rest, _ = self.conn.trailing_data
        return bool(rest) or self.conn.their_state is h11.SEND_BODY

    def _watch(self, *, waits: bool) -> None:
        """Start the timer if it is not running, or stop it."""
        if not waits and self._given_up is not None:
            self._given_up.cancel()
            self._given_up = None
        elif waits and self._given_up is None:
            self._given_up = self.loop.call_later(IDLE_SECONDS, self.transport.close)


class Server(uvicorn.Server):
    """Prints its address once it listens, and ends if the model cannot be loaded."""

    def __init__(self, config: uvicorn.Config, settings: ServerSettings, service: Service) -> None:
        super().__init__(config)
        self._settings, self._service = settings, service

    @property
    def failure(self) -> BaseException | None:
        """Why the model could not be loaded."""
        return self._service.worker.failure

    async def on_tick(self, counter: int) -> bool:
        if self.failure is not None:
            self.should_exit = True
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            port = self.servers[0].sockets[0].getsockname()[1]
            host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
            print(f"unislu: serving at http://{host}:{port}", file=sys.stderr, flush=True)
            if self._settings.wyoming is not None:
                print(f"unislu: Wyoming at tcp://{self._settings.wyoming}", file=sys.stderr, flush=True)


def make_server(settings: ServerSettings, app: FastAPI | None = None) -> Server:
    """A server that is not started yet."""
    app = app or create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=PatientProtocol,
        ws="websockets-sansio",
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=round(settings.grace),
        access_log=settings.access_log,
        log_level="info" if settings.access_log else "warning",
        server_header=False,
        proxy_headers=False,
        lifespan="on",
    )
    return Server(config, settings, app.state.service)


def serve(settings: ServerSettings) -> int:
    """Serve until stopped; returns the exit code.

    Raises:
        OptionError: the server cannot listen on the address.
        UnisluError: what loading the model raised.
    """
    check_address(settings.host, settings.port)
    if settings.wyoming is not None:
        check_address(*split_address(settings.wyoming))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    _allow_many_sockets()
    os.umask(0o077)  # no other user of this machine may read uploads and results
    server = make_server(settings)
    server.run()
    if server.failure is not None:
        raise server.failure
    return 0 if server.started else 1


def check_address(host: str, port: int) -> None:
    """Raises `OptionError` if nothing can listen there: the port is in use, or the name is not this
    machine's.
    """
    reason = "no such address"
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                with socket.socket(family, kind, protocol) as probe:
                    if os.name == "posix":  # as the server does; on other systems it would share the port
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(address)
                return
            except OSError as error:
                reason = error.strerror or str(error)
    except OSError as error:
        reason = error.strerror or str(error)
    raise OptionError(f"{host}:{port}: cannot listen here ({reason}); try another --port or --host")


def _allow_many_sockets() -> None:
    """Idle clients must not use up the file descriptors that requests need."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
