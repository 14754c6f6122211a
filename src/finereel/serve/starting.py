"""Start a server for a library, tell its address, and end it in order."""

import logging
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial

from finereel.errors import FinereelError
from finereel.serve.app import make_app
from finereel.serve.events import tell_state
from finereel.serve.settings import ServeSettings
from finereel.serve.state import Serving
from finereel.web.running import Address, Running, listen, run_until_interrupt

SWITCH_SECONDS = 0.0005


@dataclass(frozen=True)
class Started:
    """A server that answers. url: with the token."""

    url: str
    address: Address


def serve(settings: ServeSettings, address: Address, on_start: Callable[[Started], None]) -> None:
    """Serve a library until Ctrl-C or SIGTERM.

    Raises ConfigError where the address cannot be had.
    """
    # What the library remarks goes to the client whose query it is about, and not to stderr.
    logging.getLogger("finereel").addHandler(logging.NullHandler())
    # Searches call into C often; each time, by default, they may wait 5 ms for another thread.
    sys.setswitchinterval(SWITCH_SECONDS)
    with closing(listen(address)) as listening, closing(Serving.of(settings)) as serving:
        bound = Address(address.host, listening.getsockname()[1])
        url = f"http://{bound.in_url}/?token={settings.token}"
        app = make_app(serving, bound.port)

        def started() -> None:
            serving.library.follow(partial(_on_state, serving))
            on_start(Started(url, bound))

        run_until_interrupt(Running(app, started, serving.hub.close), listening)


def _on_state(serving: Serving, error: FinereelError | None) -> None:
    """A new state is ready, or there is none any more."""
    tell_state(serving, error)
    if not serving.ready and error is None:
        with suppress(FinereelError):  # of a library that is still empty
            hits = serving.library.search("a person", 1)
            # What tags words takes seconds to load, and searches wait for it.
            serving.library.words("a person", hits)
        serving.ready = True
