"""Errors as OpenAI's clients expect them, for every route: `{"error": {message, type, param, code}}`.

An answer never contains a path of this machine or a stack trace; unexpected errors are logged here and
answered with a number for looking them up.
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from ..errors import (
    AudioError,
    MissingDependencyError,
    OptionError,
    RecordError,
    RedactionError,
    UnisluError,
)

log = logging.getLogger("unislu.server")
CLIENT_GONE = 499
TOO_MANY = 429
MAX_MESSAGE = 1000  # characters of a client's own input that an answer repeats
TIMEOUT = 408


class ApiError(Exception):
    """A refused request, and the message to the client."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """`param`: the field at fault. `code`: for programs. `retry_after`: seconds, with 429 and 503."""
        message = message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"
        super().__init__(message)
        self.status, self.message = status, message
        self.code, self.param, self.retry_after = code, param, retry_after

    @property
    def body(self) -> dict[str, dict[str, str | None]]:
        """The JSON of the answer."""
        return error_body(self.status, self.message, self.code, self.param)

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status in (408, 413):
            headers["Connection"] = "close"  # the rest of the body is not read indefinitely
        if self.status == HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.body, self.status, headers)


def error_body(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> dict[str, dict[str, str | None]]:
    """The JSON of every error."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    kind = {401: "authentication_error", 429: "rate_limit_error"}.get(status, kind)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def from_unislu(error: UnisluError) -> ApiError:
    """The answer to an error of the library."""
    message = " ".join(str(error).split())
    if isinstance(error, OptionError):
        return ApiError(400, message, code="invalid_option")
    if isinstance(error, AudioError):
        return ApiError(400, message, code="invalid_audio", param="file")
    if isinstance(error, RecordError):
        return ApiError(400, message, code="invalid_value")
    if isinstance(error, RedactionError):
        return ApiError(422, message, code="redaction_failed")
    if isinstance(error, MissingDependencyError):
        return ApiError(501, message, code="not_installed")
    return unforeseen(error)


def unforeseen(error: BaseException) -> ApiError:
    """Log the error under a number; the client gets only the number."""
    number = secrets.token_hex(4)
    log.error("error %s", number, exc_info=error)
    return ApiError(500, f"the server failed; its log has the reason under {number}", code="internal_error")


def install(app: FastAPI) -> None:
    """Make the app answer every error in the same form."""

    @app.exception_handler(ApiError)
    async def refused(_: Request, error: ApiError) -> JSONResponse:
        return error.response()

    @app.exception_handler(UnisluError)
    async def failed(_: Request, error: UnisluError) -> JSONResponse:
        return from_unislu(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        return ApiError(400, f"{place}: {first['msg']}", code="invalid_value", param=place).response()

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        message = str(error.detail)
        if error.status_code == 404:
            message = f"there is no {request.method} {request.url.path}"
        elif error.status_code == 405:
            message = f"{request.url.path} does not accept {request.method}"
        answer = JSONResponse(error_body(error.status_code, message), error.status_code)
        answer.headers.update(error.headers or {})
        return answer
