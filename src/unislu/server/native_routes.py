"""unislu's own endpoints: analysis and the server's capabilities."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from .. import __version__
from ..errors import UnisluError
from ..result import Analysis
from . import schemas
from .answers import ApiError
from .forms import AnalyzeForm, form_schema
from .service import Service, check_format, finish, render, unless_gone
from .uploads import read_json

_OF_A_WRONG_KIND = (TypeError, AttributeError, LookupError, ValueError, ArithmeticError, RecursionError)


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
            data = await read_json(request, service.limits)
            try:
                analysis = await asyncio.to_thread(Analysis.from_dict, data)
                check_format(format_, analysis.text is not None)
                return await asyncio.to_thread(render, analysis, format_)
            except (UnisluError, ApiError):
                raise
            except _OF_A_WRONG_KIND as error:  # the values are the client's, so it is the client's error
                message = f"the result has a value of a wrong kind ({error})"
                raise ApiError(400, message, code="invalid_value") from None


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
            "limits": {"upload_bytes": settings.max_bytes, "seconds": settings.max_seconds},
        }
