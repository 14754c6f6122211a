"""Write small files atomically: a reader sees the old text or the new one."""

import json
import os
from pathlib import Path
from typing import Any

from finereel.io.atomic import sync_folder


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` beside `path`, force it to disk, then rename it over `path`."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
    sync_folder(path.parent)


def read_json_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, or None when the file is absent, empty or not a JSON object."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return value if isinstance(value, dict) else None
