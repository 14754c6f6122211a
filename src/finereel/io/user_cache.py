"""The folder of this user for what can be made again: measurements and answers that took time."""

import os
from pathlib import Path


def user_cache() -> Path:
    """The folder `finereel` below XDG_CACHE_HOME, usually ~/.cache; it need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "finereel"
