"""Check that a store honours conditional writes, without which commits would be lost silently."""

import threading
import uuid
from contextlib import suppress

from finereel.errors import ObjectStoreError
from finereel.io.storage.places import StorePath

_sound: set[StorePath] = set()
_lock = threading.Lock()


def require_conditions(library: StorePath) -> None:
    """Write a probe object below `library` twice, each with a condition of which the second must be
    refused. Done once per process and place; four requests.

    Raises ObjectStoreError where the store takes the second write.
    """
    with _lock:
        if library in _sound:
            return
        probe = library / "probes" / uuid.uuid4().hex
        try:
            first = probe.create(b"first")
            if first is None:
                raise _ignores(library, "a new name was refused as taken")
            if probe.create(b"second") is not None:
                raise _ignores(library, "it overwrote an object (If-None-Match: * was ignored)")
            if probe.replace(b"third", first) is None:
                raise _ignores(library, "it refused to replace an unchanged object (If-Match)")
            if probe.replace(b"fourth", first) is not None:
                raise _ignores(library, "it replaced a changed object (If-Match was ignored)")
        finally:
            with suppress(ObjectStoreError):  # what the probe told counts
                probe.unlink()
        _sound.add(library)


def _ignores(library: StorePath, what: str) -> ObjectStoreError:
    return ObjectStoreError(
        f"{library}: expected a store that honours conditional writes, got one that does not: "
        f"{what}. Two writers would overwrite each other's commits there. Update the server, or "
        "use another store (Amazon S3, Google Cloud Storage, Azure, Ceph, MinIO, SeaweedFS, R2)"
    )
