"""The application: routes over one library, behind the guard."""

import json
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from finereel import __version__
from finereel.errors import ConfigError, FinereelError
from finereel.serve import (
    changes,
    clips,
    events,
    health,
    media,
    metrics,
    overview,
    pages,
    playing,
    searching,
    taking,
)
from finereel.serve.state import Serving
from finereel.web.errors import RefusedError, error_as_json, status_of
from finereel.web.guard import Guard

ROUTERS = tuple(
    part.router
    for part in (
        searching,
        clips,
        media,
        playing,
        overview,
        events,
        changes,
        taking,
        health,
        metrics,
        pages,
    )
)


class AsciiJSON(JSONResponse):
    """JSON in ASCII, so that any file name survives, also one that is not UTF-8."""

    def render(self, content: Any) -> bytes:
        """Encode an answer as JSON of ASCII letters, with escapes for all others."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def make_app(serving: Serving, port: int) -> Guard:
    """The application of a server at a port."""
    app = FastAPI(
        title="Finereel",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        redirect_slashes=False,
        default_response_class=AsciiJSON,
    )
    app.state.serving = serving
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(FinereelError, _told)
    app.add_exception_handler(RequestValidationError, _wrong_parameters)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(Exception, _fault)
    inner: Any = app
    if serving.settings.metrics:
        inner = serving.metrics = metrics.Metrics(app)
    return Guard(inner, serving.settings.guard(port))


async def _told(request: Request, error: Exception) -> AsciiJSON:
    assert isinstance(error, FinereelError)
    headers = error.headers if isinstance(error, RefusedError) else None
    return AsciiJSON(error_as_json(error), status_of(error), headers)


async def _fault(request: Request, error: Exception) -> AsciiJSON:
    """A fault of this program; its traceback goes to stderr."""
    told = "this is a fault of the server, whose terminal tells more"
    return AsciiJSON({"error": {"type": "InternalError", "message": told}}, 500)


async def _wrong_parameters(request: Request, error: Exception) -> AsciiJSON:
    assert isinstance(error, RequestValidationError)
    told = "; ".join(map(_wrong_parameter, error.errors()))
    return await _told(request, ConfigError(told))


def _wrong_parameter(found: Any) -> str:
    name = ".".join(str(part) for part in found["loc"][1:])
    return f"{name}: {found['msg'][:1].lower()}{found['msg'][1:]}"


async def _no_route(request: Request, error: Exception) -> AsciiJSON:
    assert isinstance(error, HTTPException)
    told = {
        404: "there is nothing under this address",
        405: "this address answers no such request",
    }.get(error.status_code, str(error.detail))
    return await _told(request, RefusedError(error.status_code, told, dict(error.headers or {})))
