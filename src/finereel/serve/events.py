"""The route of server-sent events, `/api/events`, and the watch for new commits."""

import asyncio
from contextlib import suppress
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from finereel.errors import FinereelError
from finereel.serve.state import Served, Serving
from finereel.web.errors import RefusedError, error_as_json

router = APIRouter()

MOST_LISTENERS = 64
POLL_SECONDS = 1.0


@router.get("/api/events", response_class=StreamingResponse)
async def events(served: Served, request: Request) -> StreamingResponse:
    """Server-sent events: `commit` (commit, videos, clips, unfinished, problems), `progress` and
    `indexed` of what this server indexes, `problem` where the library cannot be read.

    `Last-Event-ID` continues where a connection broke.
    """
    hub = served.hub
    if hub.listeners >= MOST_LISTENERS:
        raise RefusedError(429, f"{MOST_LISTENERS} clients listen already", {"Retry-After": "10"})
    last = request.headers.get("last-event-id", "")
    return StreamingResponse(hub.listen(last), media_type="text/event-stream")


async def watch_commits(serving: Serving) -> None:
    """Publish every new commit, by whatever process, as long as somebody listens."""
    seen: tuple[int, str] | None = None
    while True:
        if serving.hub.listeners:
            with suppress(RefusedError):  # too much else to do: a second later
                seen = await serving.pictures.run(partial(_look, serving, seen))
        await asyncio.sleep(POLL_SECONDS)


def _look(serving: Serving, seen: tuple[int, str] | None) -> tuple[int, str]:
    """What was seen this time: the commit, and what was wrong."""
    try:
        commit = serving.library.commit()
        if seen == (commit, ""):
            return seen
        status, problems = serving.library.status(), serving.library.doctor()
    except FinereelError as error:
        if seen != (0, str(error)):
            serving.hub.publish("problem", error_as_json(error)["error"])
        return 0, str(error)
    told = {name: getattr(status, name) for name in ("videos", "clips", "unfinished")}
    serving.hub.publish("commit", {"commit": commit, **told, "problems": len(problems)})
    return commit, ""
