"""Files that grow by one JSON value a line."""

import json
import os
import time
import uuid
from typing import Any

from finereel.io.storage.places import Place, StorePath


def append_line(path: Place, value: Any) -> None:
    """Append a JSON value, so that it survives this process. Raises OSError.

    In an object store, where nothing can be appended, every line is an object of its own, in what
    has the name of the file without its ending.
    """
    if isinstance(path, StorePath):
        named = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.json"
        (path.parent / path.stem / named).write_bytes(json.dumps(value).encode())
        return
    with path.open("ab") as stream:
        # A line torn by a crash must not swallow this one.
        stream.write(b"\n" + json.dumps(value).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Place) -> list[bytes]:
    """The lines of such a file in the order in which they were written; none without the file."""
    if isinstance(path, StorePath):
        return (path.parent / path.stem).read_all()
    return path.read_bytes().splitlines() if path.exists() else []
