"""What a server counts, for Prometheus; no text of any query is among it."""

import time
from typing import Any

from fastapi import APIRouter
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response

from finereel.serve.state import Served
from finereel.web.errors import RefusedError

router = APIRouter(include_in_schema=False)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """An ASGI application before another one, which counts what it answers by route."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.registry = CollectorRegistry()
        labels = ["route", "method"]
        self._answers = Counter(
            "finereel_answers", "Answers", [*labels, "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "finereel_answer_seconds",
            "Seconds until an answer begins",
            labels,
            registry=self.registry,
            buckets=SECONDS,
        )
        self.pending = Gauge(
            "finereel_pending", "Work under way or waiting", ["pool"], registry=self.registry
        )
        self.commit = Gauge("finereel_commit", "Newest commit seen", registry=self.registry)
        self.clips = Gauge("finereel_clips", "Clips that can be found", registry=self.registry)
        self.problems = Gauge(
            "finereel_problems", "Problems of the library", registry=self.registry
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Hand the request on, and count its answer."""
        began = time.monotonic()

        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                labels = (route, scope["method"] if scope["method"] in _METHODS else "other")
                self._answers.labels(*labels, str(message["status"])).inc()
                self._seconds.labels(*labels).observe(time.monotonic() - began)
            await send(message)

        await self.app(scope, receive, counted if scope["type"] == "http" else send)


_METHODS = ("GET", "HEAD", "POST")


@router.get("/metrics")
async def metrics(served: Served) -> Response:
    """All counts."""
    found = served.metrics
    if found is None:
        raise RefusedError(404, "metrics are off; start the server with --metrics")
    for pool in (served.searches, served.pictures, served.decoding):
        found.pending.labels(pool.name).set(pool.pending)
    status = await served.pictures.run(served.library.status)
    found.commit.set(status.version)
    found.clips.set(status.clips)
    found.problems.set(status.failed + status.unread + status.partial + status.missing)
    return Response(generate_latest(found.registry), media_type=CONTENT_TYPE_LATEST)
