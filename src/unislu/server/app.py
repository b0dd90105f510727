"""The app factory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles

from ..version import __version__
from . import answers, job_routes, listen_routes, metrics, native_routes, openai_routes, redact_routes
from .job_runner import JobRunner
from .jobs import JobStore
from .security import Gate
from .service import Service
from .settings import ServerSettings

if TYPE_CHECKING:
    from ..recognition.model import Model

STATIC = Path(__file__).parent / "static"
JOB_GRACE = 5.0  # seconds for running jobs to end when the server stops; an unfinished one starts again later
DESCRIPTION = "Turns speech into a transcript with entities and sentiment. All errors have OpenAI's shape."


def create_app(settings: ServerSettings | None = None, load: Callable[[], Model] | None = None) -> FastAPI:
    """The server as an ASGI app.

    Args:
        settings: by default from the environment.
        load: returns the model; called once, in the thread that will own it. By default it loads the bundle
            of the settings.
    """
    settings = settings or ServerSettings.read({})
    store = JobStore(settings.data_folder)
    more = {name: _loader(settings, name) for name in settings.load}
    service = Service(settings, load or _loader(settings, settings.bundle), more)
    runner = JobRunner(store, service)

    # No /docs: FastAPI's page loads scripts from elsewhere. The document itself is /openapi.json.
    app = FastAPI(
        title="unislu", version=__version__, description=DESCRIPTION, lifespan=_lifespan(service, runner),
        docs_url=None, redoc_url=None,
    )  # fmt: skip
    app.state.service = service
    answers.install(app)
    app.include_router(openai_routes.router(service))
    app.include_router(native_routes.router(service))
    app.include_router(redact_routes.router(service))
    app.include_router(listen_routes.router(service))
    app.include_router(job_routes.router(service, runner))
    _add_health(app, service)
    _add_page(app)
    app.add_middleware(Gate, settings=settings, metrics=service.metrics)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware, allow_origins=list(settings.cors), allow_methods=["GET", "POST", "DELETE"],
            # Any header: OpenAI's client sends a dozen of its own (x-stainless-os, …).
            allow_headers=["*"], expose_headers=["Retry-After", openai_routes.IGNORED_HEADER],
        )  # fmt: skip
    return app


def _lifespan(service: Service, runner: JobRunner) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Background work; when it stops, all requests have ended."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.worker.start()
        runner.start()
        async with AsyncExitStack() as more:
            if service.settings.wyoming is not None:
                from .wyoming import WyomingServer

                app.state.wyoming = WyomingServer(service)
                await app.state.wyoming.start(service.settings.wyoming)
                more.push_async_callback(app.state.wyoming.stop)
            yield
            service.stopping = True
        await runner.stop(min(service.settings.grace, JOB_GRACE))
        service.worker.stop()
        await service.decoders.close()
        service.close()

    return lifespan


def _loader(settings: ServerSettings, bundle: str | None) -> Callable[[], Model]:
    def load() -> Model:
        from ..recognition.model import load as load_model

        return load_model(bundle, threads=settings.threads, device=settings.device)

    return load


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/healthz", tags=["operations"], summary="Whether the process is alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], summary="Whether requests can be served (503 if not)")
    async def ready() -> Response:
        if service.worker.ready and not service.stopping:
            return JSONResponse({"status": "ready"})
        return JSONResponse({"status": "stopping" if service.stopping else "loading"}, 503)

    @app.get("/metrics", tags=["operations"], summary="Metrics for Prometheus")
    async def figures() -> Response:
        return PlainTextResponse(service.metrics.render(), media_type=metrics.CONTENT_TYPE)


def _add_page(app: FastAPI) -> None:
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})
