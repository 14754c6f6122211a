"""The error for damaged stored data, with the command that repairs it."""

import errno
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finereel.errors import DamagedLibraryError, FinereelError
from finereel.index.faults import storage_errors
from finereel.io.atomic import first_line

_SYSTEM = re.compile(r"\(os error (\d+)\)")


def damaged_library(folder: Path, what: str) -> DamagedLibraryError:
    """The error for an index folder of which something is not what was written.

    It is an error and no answer without the damaged clips, for the one that is missing may be the
    one that was sought.
    """
    return DamagedLibraryError(
        f"the clip table in {folder / 'clips.lance'} is damaged: {what}. Run "
        f"`finereel doctor --repair --library {folder.parent}`: it keeps every whole clip and says "
        "what to index again"
    )


@contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Raise DamagedLibraryError for whatever Lance makes of files that it cannot read.

    On damaged files Lance raises errors of many types, and panics. What the operating system
    refuses, for instance for lack of memory or permission, is no damage: that is a plain
    LibraryError.
    """
    with storage_errors(folder, "read"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except Exception as error:
            if isinstance(error, FinereelError) or _is_refusal(error):
                raise
            raise damaged_library(folder, f"it cannot be read ({first_line(error)})") from error


def _is_refusal(error: Exception) -> bool:
    number = _SYSTEM.search(str(error))
    return isinstance(error, OSError | MemoryError) or (
        number is not None and int(number[1]) != errno.ENOENT
    )
