"""Every failure leaves as ``{"error": {"code", "message", "hint"}}``."""

from __future__ import annotations

import logging
from typing import Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from parlour.errors import BadRequest, NotFound, ParlourError, RequestTimeout, ShuttingDown

log = logging.getLogger(__name__)

_HEADERS: Final[dict[type[ParlourError], dict[str, str]]] = {
    ShuttingDown: {"retry-after": "1", "connection": "close"},
    RequestTimeout: {"connection": "close"},
}


def install(app: FastAPI) -> None:
    """Teaches an app to answer failures in the one shape."""
    app.add_exception_handler(ParlourError, _known)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unknown)


def answer(error: ParlourError) -> JSONResponse:
    """The response to a known failure."""
    if error.status >= 500:
        log.warning("%s: %s", error.code, error.message)
    return JSONResponse(error.body(), error.status, _HEADERS.get(type(error)))


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, ParlourError)
    return answer(error)


def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it; without it the log would show a stack trace


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        found = NotFound(
            f"There is nothing at {request.url.path}.", hint="See docs/http.md for the addresses."
        )
        return answer(found)
    body = BadRequest(str(error.detail), hint="See docs/http.md for methods and addresses.").body()
    return JSONResponse(body, error.status_code, headers=error.headers)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    return answer(BadRequest(f"{where}: {first['msg']}", hint="See docs/http.md."))


def _unknown(request: Request, error: Exception) -> Response:
    return JSONResponse(ParlourError("Something went wrong on the server.").body(), 500)
