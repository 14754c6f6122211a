"""A lease on a library in an object store: one holder at a time, which may die.

`lease.json` names the holder. It is taken with a conditional write, renewed by a thread, and taken
over once it was not renewed for LEASE_SECONDS by the clock of the store, the only one that is
read. Every renewal asks for the etag of the one before, so a holder that was taken for dead learns
it (`LeaseHold.require`) and can never take the lease back by renewing.

Nothing keeps a holder that stops between this and its commit from committing once it goes on: a
commit of Lance asks for no more than a free number. So a holder asks once more afterwards
(`LeaseHold.renewed`), and takes back what crosses the changes of who took over.
"""

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from finereel.errors import FinereelError, LibraryBusyError, ObjectStoreError
from finereel.io.storage import client
from finereel.io.storage.places import StorePath

NAME = "lease.json"
LEASE_SECONDS = 30.0
POLL_SECONDS = 0.2


class LeaseHold:
    """A lease that is held; `require` before what only its holder may do."""

    def __init__(self, place: StorePath, etag: str, number: int) -> None:
        self._place = place
        self._etag = etag
        self._number = number
        self._lost = False
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="finereel-lease")
        self._thread.start()

    def require(self) -> None:
        """Renew the lease now. Raises LibraryBusyError where another process has it."""
        if not self.renewed():
            raise passed_over(self._place.parent, "nothing of this commit is visible")

    def renewed(self) -> bool:
        """Renew the lease now; False where another process has it."""
        with self._lock:
            self._write(_holder())
        return not self._lost

    def release(self) -> None:
        """Let others have it."""
        self._ending.set()
        self._thread.join()
        with self._lock:
            self._write("")

    def _write(self, holder: str) -> None:
        if self._lost:
            return
        self._number += 1
        etag = self._place.replace(_content(holder, self._number), self._etag)
        self._lost, self._etag = etag is None, etag or ""

    def _renew(self) -> None:
        while not self._ending.wait(LEASE_SECONDS / 3):
            with self._lock:
                try:
                    self._write(_holder())
                except FinereelError:  # a store that does not answer now: the next try may reach it
                    continue


_held = threading.local()


@contextmanager
def leased(library: StorePath, patience: float = 60.0) -> Iterator[LeaseHold]:
    """Hold the lease of a library for the length of the block; a thread that has it goes on.

    Raises LibraryBusyError, naming the holder, where it is still taken after `patience` seconds.
    """
    holds: dict[StorePath, LeaseHold] = _held.__dict__.setdefault("holds", {})
    if library in holds:
        holds[library].require()
        yield holds[library]
        return
    hold = _taken(library / NAME, time.monotonic() + patience)
    holds[library] = hold
    try:
        yield hold
    finally:
        del holds[library]
        hold.release()


def passed_over(library: StorePath, what: str) -> LibraryBusyError:
    """What is said of a holder that was taken for dead. what: became of its commit."""
    return LibraryBusyError(
        f"{library}: this process did not answer for {LEASE_SECONDS:.0f} s, and another one took "
        f"over; {what}. Run the same command again"
    )


def _taken(place: StorePath, deadline: float) -> LeaseHold:
    while True:
        etag = place.create(_content(_holder(), 0))
        if etag is not None:
            return LeaseHold(place, etag, 0)
        try:
            content, seen = place.read()
            stored = json.loads(content)
            number, holder = int(stored["number"]), str(stored["holder"])
        except FileNotFoundError:
            continue
        except (ValueError, KeyError, TypeError) as error:
            raise ObjectStoreError(
                f"{place} is not a lease ({error}); remove this object while no process writes"
            ) from error
        if not holder or _age(place) > LEASE_SECONDS:
            etag = place.replace(_content(_holder(), number + 1), seen)
            if etag is not None:
                return LeaseHold(place, etag, number + 1)
        elif time.monotonic() >= deadline:
            raise LibraryBusyError(
                f"{place.parent} is being changed by {holder}; wait until it ends (searching and "
                f"adding are possible meanwhile). A process that died is passed over after "
                f"{LEASE_SECONDS:.0f} s"
            )
        time.sleep(POLL_SECONDS)


def _age(place: StorePath) -> float:
    """Seconds since an object was written, both times by the clock of the store."""
    clock = place.parent / "probes" / uuid.uuid4().hex
    clock.write_bytes(b"")
    try:
        now, then = _written(clock), _written(place)
    except FileNotFoundError:
        return 0.0
    finally:
        clock.unlink()
    return (now - then).total_seconds()


def _written(place: StorePath) -> datetime:
    with client.store_errors(place):
        found: datetime = client.opened(place).head(place.key)["last_modified"]
    return found


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _content(holder: str, number: int) -> bytes:
    # A store may make the etag of the content alone, so no two contents are equal.
    return json.dumps({"holder": holder, "number": number, "id": uuid.uuid4().hex}).encode()
