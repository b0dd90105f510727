"""unislu's own endpoints: analysis and the server's capabilities."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from ..recognition.presets import PRESETS
from ..version import __version__
from . import schemas
from .forms import FORMATS, AnalyzeForm, form_schema
from .service import Service, finish, read_result, render, rendered_result, unless_gone


def router(service: Service) -> APIRouter:
    """The routes over one service."""
    routes = APIRouter(tags=["unislu"])

    @routes.post(
        "/v1/analyze",
        summary="Transcript, entities and sentiment of one file",
        responses=schemas.ANALYZE,
        openapi_extra=dict(form_schema(AnalyzeForm, raw=True)),
    )
    async def analyze(request: Request) -> Response:
        async with service.submitted(request, AnalyzeForm, raw=True) as sent:
            asked = await service.check_form(sent.form)
            split = sent.form.channels == "split"
            analysis = await unless_gone(request, service.analyze(sent, asked, split=split))
            return render(finish(analysis, sent.form), sent.form.format)

    _add_render(routes, service)
    _add_info(routes, service)
    return routes


def _add_render(routes: APIRouter, service: Service) -> None:
    @routes.post(
        "/v1/render",
        summary="A result in another format",
        responses=schemas.RENDER,
        openapi_extra=schemas.RENDER_BODY,
    )
    async def rendered(request: Request, format_: str = Query("html", alias="format")) -> Response:
        async with service.admitted(request):
            analysis = await read_result(request, service.limits)
            return await rendered_result(analysis, format_)


def _add_info(routes: APIRouter, service: Service) -> None:
    @routes.get("/v1/info", summary="Capabilities of this server", responses=schemas.INFO)
    async def info() -> dict[str, Any]:
        model = await service.model()
        manifest, settings = model.manifest, service.settings
        return {
            "name": manifest.name,
            "version": manifest.version,
            "unislu": __version__,
            "entity_types": list(model.entity_types),
            "open_types": model.open_types,
            "languages": list(manifest.languages),
            "models": [manifest.name, *settings.load],
            "operating_points": sorted(manifest.operating_points),
            "presets": {name: list(preset.types) for name, preset in PRESETS.items()},
            "fields": list(AnalyzeForm.model_fields),
            "formats": list(FORMATS),
            "keep_days": None if settings.until_fetched else settings.keep_days,
            "limits": {"upload_bytes": settings.max_bytes, "seconds": settings.max_seconds},
        }
