"""Start a server for a library, tell its address, and end it in order."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

from finereel.errors import FinereelError
from finereel.serve.app import make_app
from finereel.serve.events import watch_commits
from finereel.serve.settings import ServeSettings
from finereel.serve.state import Serving
from finereel.web.running import Address, Running, listen, run_until_interrupt


@dataclass(frozen=True)
class Started:
    """A server that answers. url: with the token."""

    url: str
    address: Address


def serve(settings: ServeSettings, address: Address, on_start: Callable[[Started], None]) -> None:
    """Serve a library until Ctrl-C or SIGTERM.

    Raises ConfigError where the address cannot be had.
    """
    with closing(listen(address)) as listening, closing(Serving.of(settings)) as serving:
        bound = Address(address.host, listening.getsockname()[1])
        url = f"http://{bound.in_url}/?token={settings.token}"
        app = make_app(serving, bound.port)

        def started() -> None:
            watch.append(asyncio.get_running_loop().create_task(watch_commits(serving)))
            threading.Thread(target=_warm, args=(serving,), daemon=True).start()
            on_start(Started(url, bound))

        watch: list[asyncio.Task[None]] = []  # a task that nobody holds may vanish
        run_until_interrupt(Running(app, started, serving.hub.close), listening)


def _warm(serving: Serving) -> None:
    """Load the model and the vectors, so that the first search is as fast as the others."""
    try:
        serving.library.answer("a person")
    except FinereelError:
        return  # a library that is still empty, or away: the first search tells
    finally:
        serving.ready = True
