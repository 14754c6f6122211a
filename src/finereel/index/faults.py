"""Storage failures as typed errors."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finereel.errors import FinereelError, LibraryError


@contextmanager
def storage_errors(folder: Path, done: str) -> Iterator[None]:
    """Raise LibraryError for what Lance reports as RuntimeError, OSError or ValueError: a full disk, a lost file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lance warns of renamed arguments and of short version keeping
            yield
    except FinereelError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise LibraryError(
            f"the library in {folder} could not be {done} ({first_line(error)}); what was committed before is safe. "
            "Check free disk space and permissions, then run the same command again"
        ) from error


def first_line(error: BaseException) -> str:
    """The beginning of a message that may run over many lines."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
