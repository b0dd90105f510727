"""Jobs over HTTP: for audio that takes longer than a client wants to wait."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.background import BackgroundTask

from ..result import Analysis
from . import schemas
from .answers import ApiError
from .forms import AnalyzeForm, form_schema, parse_form
from .job_runner import JobRunner
from .jobs import DONE, ENDED, Job, JobStore
from .places import Places
from .service import Service, read_result, rendered_result
from .uploads import display_name
from .workspace import full

MAX_WAIT = 60.0


def router(service: Service, runner: JobRunner) -> APIRouter:
    """The routes over one runner."""
    routes = APIRouter(prefix="/v1/jobs", tags=["jobs"])
    _add_create(routes, service, runner)
    _add_look(routes, runner)
    _add_end(routes, runner, service.settings.until_fetched)
    return routes


async def _find(store: JobStore, request: Request, id_: str) -> Job:
    """The job, if it belongs to the key of the request. Raises `ApiError` (404)."""
    job = await asyncio.to_thread(store.get, id_)
    if job is None or job.owner != request.state.owner:
        raise ApiError(404, f"there is no job {id_[:60]!r}", code="job_not_found", param="id")
    return job


def _add_create(routes: APIRouter, service: Service, runner: JobRunner) -> None:
    places = Places(service.settings.max_jobs, service.settings.share)

    async def check_room(owner: str) -> None:
        every = await asyncio.to_thread(runner.store.unended)
        own = await asyncio.to_thread(runner.store.unended, owner)
        places.check(every, own, "jobs wait", retry_after=30)
        if await asyncio.to_thread(lambda: runner.store.bytes) >= service.settings.max_disk_bytes:
            raise full(retry_after=60)

    @routes.post(
        "",
        status_code=202,
        summary="Begin to analyse one file, or keep a result (JSON) under an address",
        responses=schemas.JOB_MADE,
        openapi_extra=_body(),
    )
    async def create(request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("application/json"):
            return await _keep(service, runner.store, request)
        await service.model()
        async with service.admitted(request) as folder:
            owner = request.state.owner
            await check_room(owner)
            body = await service.form(request, folder, raw=True)
            form = parse_form(AnalyzeForm, body.fields)
            upload = body.upload()
            if upload.size == 0:
                raise ApiError(400, f"{upload.name}: is empty (0 bytes)", code="invalid_audio", param="file")
            await service.check_form(form)
            await check_room(owner)  # many may have arrived meanwhile
            job = await runner.submit(owner, upload, body.fields)
            return JSONResponse(job.to_dict(), 202, {"Location": f"/v1/jobs/{job.id}"})


def _body() -> dict[str, Any]:
    """What may be sent: a form with a file, the file, or a result."""
    body = dict(form_schema(AnalyzeForm, raw=True))
    body["requestBody"]["content"] |= schemas.RENDER_BODY["requestBody"]["content"]
    return body


async def _keep(service: Service, store: JobStore, request: Request) -> Response:
    """Keep a finished result, so that it has an address: a job that is done."""
    async with service.admitted(request):
        analysis = await read_result(request, service.limits)
        await rendered_result(analysis, "html")  # its values are of the right kinds
        if await asyncio.to_thread(lambda: store.table_bytes) >= service.settings.max_disk_bytes:
            raise full(retry_after=60)
        name = display_name(analysis.file or "")
        owner, text = request.state.owner, analysis.to_json()
        job = await asyncio.to_thread(store.add_result, owner, name, text, analysis.duration)
    return JSONResponse(job.to_dict(), 201, {"Location": f"/v1/jobs/{job.id}"})


def _add_look(routes: APIRouter, runner: JobRunner) -> None:
    store = runner.store

    @routes.get("", summary="The jobs of this key", responses=schemas.JOBS)
    async def every(request: Request) -> dict[str, Any]:
        return {"jobs": [job.to_dict() for job in await asyncio.to_thread(store.all, request.state.owner)]}

    @routes.get("/{id_}", summary="The progress of a job", responses=schemas.JOB)
    async def one(
        request: Request,
        id_: str,
        wait: float = Query(0.0, ge=0, le=MAX_WAIT, description="seconds to wait for its end"),
        until: Literal["end", "change"] = Query("end", description="change: wait for any progress"),
    ) -> dict[str, Any]:
        job = await _find(store, request, id_)
        news = await runner.news(job, wait, ended=until == "end") if wait else job
        return (news or job).to_dict()


def _add_end(routes: APIRouter, runner: JobRunner, until_fetched: bool) -> None:
    store = runner.store

    @routes.get("/{id_}/result", summary="The result of a job that is done", responses=schemas.JOB_RESULT)
    async def result(
        request: Request, id_: str, format_: str | None = Query(None, alias="format")
    ) -> Response:
        job = await _find(store, request, id_)
        text = await asyncio.to_thread(store.result, id_) if job.status == DONE else None
        if text is None:
            reason = f": {job.error['message']}" if job.error else ""
            raise ApiError(409, f"the job is {job.status}{reason}", code=f"job_{job.status}")
        wanted = format_ or dict(job.options["fields"]).get("format", "json")
        analysis = Analysis.from_dict(json.loads(text))
        answer = await rendered_result(analysis, wanted)
        if until_fetched:
            answer.background = BackgroundTask(store.remove, id_)  # after it was sent
        return answer

    @routes.delete("/{id_}", summary="Cancel a job, or delete one that has ended", responses=schemas.JOB)
    async def cancel(
        request: Request,
        id_: str,
        forget: bool = Query(False, description="delete it even if it waits or runs"),
    ) -> dict[str, Any]:
        job = await _find(store, request, id_)
        ended = job.status in ENDED
        if not ended:
            await runner.cancel(id_)
            job = await _find(store, request, id_)
        if ended or forget:
            await asyncio.to_thread(store.remove, id_)
        return job.to_dict()
