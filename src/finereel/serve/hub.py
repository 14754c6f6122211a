"""What happens while a server runs, kept for whoever listens: new commits, progress, problems."""

import asyncio
import json
import secrets
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

KEPT = 1_000
"""Events that a client which was away for a moment gets afterwards."""
HEARTBEAT_SECONDS = 15.0
ENDED_BY = {"problem": ("commit", "indexed"), "progress": ("indexed",)}
"""Events after which those of a kind say nothing any more."""


@dataclass(frozen=True)
class Event:
    """number: from 1. kind: `commit`, `progress`, `indexed` or `problem`."""

    number: int
    kind: str
    data: dict[str, Any]


class EventHub:
    """The events of one server, for any number of listeners. Any thread may publish."""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self.listeners = 0
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._latest: dict[str, Event] = {}
        self._count = 0
        self._lock = threading.Lock()
        self._closed = False

    def publish(self, kind: str, data: dict[str, Any]) -> None:
        """Tell all listeners."""
        with self._lock:
            self._count += 1
            event = Event(self._count, kind, data)
            self._events.append(event)
            self._latest[kind] = event

    def after(self, number: int) -> list[Event]:
        """The events after one, oldest first."""
        with self._lock:
            return [event for event in self._events if event.number > number]

    def latest(self, kind: str) -> Event | None:
        """The last event of a kind."""
        return self._latest.get(kind)

    def current(self) -> list[Event]:
        """The last event of each kind, which tell a new listener how things stand; without a problem
        that passed and progress that ended.
        """
        with self._lock:
            return sorted(filter(self._lasts, self._latest.values()), key=lambda one: one.number)

    def _lasts(self, event: Event) -> bool:
        later = (self._latest.get(kind) for kind in ENDED_BY.get(event.kind, ()))
        return not any(one is not None and one.number > event.number for one in later)

    def close(self) -> None:
        """Let the listeners go."""
        self._closed = True

    async def listen(self, last: str) -> AsyncGenerator[bytes, None]:
        """The events after `last`, the id of one, as a browser reads them; those of now first,
        where `last` is of no event of this run.
        """
        run, _, number = last.partition("-")
        known = run == self.run and number.isdecimal()
        seen = int(number) if known else self._count
        self.listeners += 1
        try:
            yield b"retry: 2000\n\n"
            for event in [] if known else self.current():
                yield self._encoded(event)
            quiet_since = time.monotonic()
            while not self._closed:
                for event in self.after(seen):
                    seen, quiet_since = event.number, time.monotonic()
                    yield self._encoded(event)
                if time.monotonic() - quiet_since > HEARTBEAT_SECONDS:
                    quiet_since = time.monotonic()
                    yield b": still here\n\n"
                await asyncio.sleep(0.1)
        finally:
            self.listeners -= 1

    def _encoded(self, event: Event) -> bytes:
        head = f"id: {self.run}-{event.number}\nevent: {event.kind}\n"
        return f"{head}data: {json.dumps(event.data)}\n\n".encode()
