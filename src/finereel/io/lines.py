"""Files that grow by one JSON value a line."""

import json
import os
from pathlib import Path
from typing import Any


def append_line(path: Path, value: Any) -> None:
    """Append a JSON value, so that it survives this process. Raises OSError."""
    with path.open("ab") as stream:
        # A line torn by a crash must not swallow this one.
        stream.write(b"\n" + json.dumps(value).encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
