"""Who changed what through a server: one line of `audit.jsonl` in the library's folder each."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from finereel.index.faults import storage_errors
from finereel.io.lines import append_line

NAME = "audit.jsonl"


def note_change(library: Path, what: str, client: str, **facts: Any) -> None:
    """Append a line: when, what, by whom (an address) and which clips, files or folders. No token
    and no query stands in it.
    """
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "what": what, "client": client}
    with storage_errors(library, "written"):
        library.mkdir(parents=True, exist_ok=True)  # the first run of indexing makes the library
        append_line(library / NAME, line | facts)
