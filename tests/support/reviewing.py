"""A review that is served by a thread of the test."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from finereel.finegrain.review.server import ReviewServer, make_server
from finereel.finegrain.review.session import ReviewSession

SECONDS = 60


@contextmanager
def running_review(session: ReviewSession, port: int = 0) -> Iterator[ReviewServer]:
    """A server that answers within the block."""
    started = threading.Event()
    with make_server(session, port, started.set) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            assert started.wait(SECONDS)
            yield server
        finally:
            server.stop()
            thread.join(SECONDS)
