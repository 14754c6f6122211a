"""The route of server-sent events, `/api/events`, and the watch for new commits."""

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from finereel.errors import FinereelError
from finereel.index.snapshot import Snapshot
from finereel.serve.state import Served, Serving
from finereel.web.errors import RefusedError, error_as_json

router = APIRouter()

MOST_LISTENERS = 64


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


def tell_state(serving: Serving, error: FinereelError | None) -> None:
    """Publish what the state holds that answers now, or why the library cannot be read."""
    if error is None:
        try:
            told = serving.library.read(lambda searcher, _: _counts(searcher.snapshot))
            problems = serving.library.doctor()
        except FinereelError as found:
            error = found
    if error is not None:
        serving.hub.publish("problem", error_as_json(error)["error"])
        return
    serving.hub.publish("commit", {**told, "problems": len(problems)})


def _counts(snapshot: Snapshot) -> dict[str, int]:
    here = [file for file in snapshot.files().values() if not file.missing]
    return {
        "commit": snapshot.version,
        "videos": len(here),
        "clips": snapshot.count,
        "unfinished": sum(not file.finished for file in here),
    }
