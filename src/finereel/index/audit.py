"""What was taken out of a library or said about it: a line per action in `audit.jsonl`."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from finereel.io.storage.places import Place, StorePath

NAME = "audit.jsonl"
_LOG = logging.getLogger(__name__)


def note(folder: Place, action: str, **facts: Any) -> bool:
    """Append one line: when, what, and facts that JSON can hold.

    It is for the owner of the library and stays on this machine. Where the folder cannot be written,
    the action goes on, and a warning is logged.

    Returns:
        Whether the line was written.
    """
    if isinstance(folder, StorePath):
        _LOG.warning("%s is not noted: %s is kept in local folders only", action, NAME)
        return False
    line = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "what": action, **facts}
    # One write of a whole line to a file opened to append: several processes may note at once.
    content = json.dumps(line).encode() + b"\n"
    try:
        descriptor = os.open(
            folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(descriptor, content)
        finally:
            os.close(descriptor)
    except OSError as error:
        _LOG.warning("%s cannot be noted in %s (%s)", action, NAME, error.strerror)
        return False
    return True
