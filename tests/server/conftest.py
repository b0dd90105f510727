"""Real servers on free ports of this machine, over the default model, and audio to send them."""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from unislu import load
from unislu.audio import load_audio
from unislu.recognition.model import Model
from unislu.server.app import create_app
from unislu.server.run import Server, make_server
from unislu.server.service import Service
from unislu.server.settings import ServerSettings

from .. import needs
from .pages import PATIENCE

FAKE_MICROPHONE = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
JFK = Path(__file__).parents[2] / "examples" / "jfk.flac"
FIRST_WORDS = 3.3  # seconds of it: "And so my fellow Americans"
SURE = -2.6
"""Added to the opener of NORP: "Americans" is one by far, and by far not with the lowest bias of the page."""


@dataclass
class Running:
    """A server that answers."""

    url: str
    service: Service
    server: Server
    thread: threading.Thread

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def post(
        self, path: str, data: dict[str, Any] | None = None, audio: bytes | None = None, **more: Any
    ) -> Any:
        files = {} if audio is None else {"files": {"file": ("clip.wav", audio, "audio/wav")}}
        return httpx.post(self.url + path, data=data, timeout=60, **files, **more)

    def delete(self, path: str) -> int:
        return httpx.delete(self.url + path, timeout=60).status_code

    def get(self, path: str, **more: Any) -> Any:
        return httpx.get(self.url + path, timeout=60, **more)


@contextmanager
def running(settings: ServerSettings, load_model: Callable[[], Model]) -> Iterator[Running]:
    """A server in a thread of this process."""
    app = create_app(settings, load_model)
    server = make_server(settings, app)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        service: Service = app.state.service
        while not (server.started and service.worker.ready):
            assert thread.is_alive()
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(f"http://127.0.0.1:{port}", service, server, thread)
    finally:
        server.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="session")
def model() -> Model:
    """The default model, made sure of the clip's entity; servers of several tests use it in turn."""
    found = load(threads=1)
    decoder = found.manifest.decoder
    manifest = replace(found.manifest, decoder=replace(decoder, bias={**decoder.bias, "NORP": SURE}))
    return Model(found.recognizer.engine, found.vocabulary, manifest)


@pytest.fixture(scope="session")
def start(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Starts a server: `with start(max_queue=1) as server`."""

    def begin(load_model: Callable[[], Model] | None = None, **settings: Any) -> Any:
        settings.setdefault("data", str(tmp_path_factory.mktemp("data")))
        return running(ServerSettings(port=0, **settings), load_model or (lambda: model))

    return begin


@pytest.fixture(scope="session")
def server(start: Callable[..., Any]) -> Iterator[Running]:
    """One server with the default settings, for every test that does not break it."""
    with start(max_upload_mb=20, max_seconds=120, read_timeout=2) as found:
        yield found


def wav(samples: np.ndarray[Any, Any], rate: int = 16_000) -> bytes:
    """16-bit mono WAV of float samples [n]."""
    data = (samples * 32_767).clip(-32_768, 32_767).astype("<i2").tobytes()
    fmt = struct.pack("<HHIIHH", 1, 1, rate, 2 * rate, 2, 16)
    head = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt \x10\0\0\0" + fmt
    return head + b"data" + struct.pack("<I", len(data)) + data


@pytest.fixture(scope="session")
def speech() -> bytes:
    """A few words, as WAV."""
    return wav(load_audio(JFK)[: round(FIRST_WORDS * 16_000)])


@pytest.fixture(scope="session")
def hum() -> bytes:
    """Half a second in which nobody speaks."""
    return wav(0.01 * np.random.default_rng(0).standard_normal(8_000))


@pytest.fixture(scope="session")
def make_wav() -> Callable[..., bytes]:
    return wav


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real browser. Its event loop runs in this thread: it ends with the module, before others need one."""
    playwright = pytest.importorskip("playwright.sync_api")
    executable = needs.chromium()
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=executable, args=[*FAKE_MICROPHONE, "--no-sandbox"])
        yield found
        found.close()


@pytest.fixture
def page(browser: Any, server: Running) -> Iterator[Any]:
    """The page of `server`; what goes wrong in it, or calls elsewhere, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    context.set_default_timeout(PATIENCE)
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    opened.errors = []
    opened.on("pageerror", lambda error: opened.errors.append(str(error)))
    opened.on("requestfailed", lambda request: opened.errors.append(f"{request.url}: {request.failure}"))
    opened.on(
        "request", lambda request: None if _is_local(request.url) else opened.errors.append(request.url)
    )
    opened.goto(server.url)
    opened.wait_for_selector("#types li")
    yield opened
    # Requests that the page itself gave up are no failure.
    assert [error for error in opened.errors if "ERR_ABORTED" not in error] == []
    context.close()


def _is_local(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "blob:http://127.0.0.1:", "data:"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, speech: bytes) -> Path:
    """A few words, as a file."""
    path = tmp_path_factory.mktemp("clips") / "my speech.wav"
    path.write_bytes(speech)
    return path
