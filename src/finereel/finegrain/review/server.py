"""Serve the review page, video ranges and verdicts on this machine only.

Needs `pip install 'finereel[serve]'`.
"""

import mimetypes
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from finereel.errors import FinereelError, VideoError
from finereel.finegrain.review.session import ReviewSession
from finereel.video.files import open_regular
from finereel.web.errors import RefusedError, status_of
from finereel.web.files import FileAnswer
from finereel.web.guard import Guard, GuardSettings
from finereel.web.pools import BoundedPool
from finereel.web.running import Address, Running, listen, run_until_interrupt

HEADER = "X-Finereel-Review"
"""What the page sends along, also with what it reads."""
WORKERS, WAITING = 2, 64
_EVENT = ("item", "id", "pos", "rater", "verdict", "at", "event", "undo")


@dataclass(frozen=True)
class ReviewServer:
    """A server that listens and is not running yet; a context manager, which closes its port."""

    running: Running
    listening: socket.socket
    pool: BoundedPool

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://127.0.0.1:{self.listening.getsockname()[1]}/"

    def run(self) -> None:
        """Answer until Ctrl-C or `stop`."""
        run_until_interrupt(self.running, self.listening)

    def stop(self) -> None:
        """Let `run` end, in whatever thread that is."""
        self.running.should_exit = True

    def __enter__(self) -> "ReviewServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.pool.close()
        self.listening.close()


def make_server(
    session: ReviewSession, port: int = 0, on_start: Callable[[], None] = lambda: None
) -> ReviewServer:
    """A server on this machine's own address; port 0 takes a free one.

    Raises ConfigError when the port is taken.
    """
    listening = listen(Address(port=port))
    pool = BoundedPool("requests", WORKERS, WAITING)
    settings = GuardSettings(f"{session.page.policy}; frame-ancestors 'none'", header=HEADER)
    app = Guard(_make_app(session, pool), settings)
    return ReviewServer(Running(app, on_start, lambda: None), listening, pool)


def _make_app(session: ReviewSession, pool: BoundedPool) -> Starlette:
    async def page(request: Request) -> Response:
        return Response(session.page.html, media_type="text/html; charset=utf-8")

    async def media(request: Request) -> Response:
        path = session.videos.get(request.path_params["key"])
        if path is None:
            raise _nothing()
        file = await pool.run(lambda: open_regular(path))
        return FileAnswer(file, mimetypes.guess_type(path.name)[0] or "video/mp4", {})

    async def stills(request: Request) -> Response:
        key = request.path_params["key"]
        if key not in session.videos:
            raise _nothing()
        _check_page(request)
        return JSONResponse(await pool.run(lambda: session.stills(key)))

    async def verdicts(request: Request) -> Response:
        _check_page(request)
        events = session.log(request.query_params.get("rater", "")).events
        return JSONResponse([{name: getattr(event, name) for name in _EVENT} for event in events])

    async def judge(request: Request) -> Response:
        body = await request.body()
        await pool.run(lambda: session.judge(body))
        return JSONResponse("kept")

    routes = [
        Route("/", page),
        Route("/media/{key}", media),
        Route("/stills/{key}", stills),
        Route("/verdicts", verdicts, methods=["GET"]),
        Route("/verdicts", judge, methods=["POST"]),
    ]
    told: Any = {FinereelError: _told, OSError: _not_written, 404: _not_found}
    return Starlette(routes=routes, exception_handlers=told)


def _check_page(request: Request) -> None:
    """Refuse what the page of the review does not ask: a rater is sent their own verdicts alone."""
    if request.headers.get(HEADER) != "1":
        raise RefusedError(403, "only the page of the review may ask this")


def _nothing() -> RefusedError:
    return RefusedError(404, "there is nothing under this address")


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, FinereelError)
    message = "the video cannot be opened" if isinstance(error, VideoError) else str(error)
    return PlainTextResponse(message.encode(errors="replace"), status_of(error))


async def _not_found(request: Request, error: Exception) -> Response:
    return await _told(request, _nothing())


async def _not_written(request: Request, error: Exception) -> Response:
    assert isinstance(error, OSError)
    return PlainTextResponse(f"the verdict file cannot be written ({error.strerror})", 507)
