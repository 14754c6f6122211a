"""Turn storage failures of a library into LibraryError with path, cause and advice."""

import errno
import functools
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Concatenate, ParamSpec, Protocol, TypeVar, runtime_checkable

from finereel.errors import DamagedLibraryError, FinereelError, LibraryError
from finereel.io.atomic import cause_of, first_line, refusal
from finereel.io.locks import sharing
from finereel.io.storage.client import refused
from finereel.io.storage.places import Place, StorePath

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@runtime_checkable
class HasPath(Protocol):
    """An object for a folder, such as a library."""

    path: Place


Owner = TypeVar("Owner", bound=HasPath)


@contextmanager
def storage_errors(folder: Place, done: str) -> Iterator[None]:
    """Raise LibraryError for what Lance reports as RuntimeError, OSError or ValueError: a full
    disk, a lost file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # Lance warns of renamed arguments and of short version keeping
            yield
    except FinereelError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise _typed(folder, done, error) from error


def typed_storage(
    done: str,
) -> Callable[
    [Callable[Concatenate[Owner, Parameters], Result]],
    Callable[Concatenate[Owner, Parameters], Result],
]:
    """Wrap a method of an object with a `path`, so that no failure of the disk leaves it as a bare
    OSError.

    A method that only reads (`done` is "read") counts as a reader meanwhile, so that no writer
    drops what it reads. Errors that do not come from the operating system pass unchanged.
    """

    def decorate(
        method: Callable[Concatenate[Owner, Parameters], Result],
    ) -> Callable[Concatenate[Owner, Parameters], Result]:
        @functools.wraps(method)
        def wrapped(self: Owner, /, *args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                with sharing(self.path) if done == "read" else nullcontext():
                    return method(self, *args, **kwargs)
            except (FinereelError, BrokenPipeError):
                raise
            except Exception as error:
                if cause_of(error) is None:
                    raise
                raise _typed(self.path, done, error) from error

        return wrapped

    return decorate


def _typed(folder: Place, done: str, error: Exception) -> LibraryError:
    if isinstance(folder, StorePath):
        return refused(folder, error)
    cause = cause_of(error)
    if cause is not None:
        return LibraryError(
            f"the library {refusal(folder, done, cause, error)}; what was committed before is safe"
        )
    return LibraryError(
        f"the library in {folder} could not be {done} ({first_line(error)}); what was committed "
        "before is safe. "
        "Check free disk space and permissions, then run the same command again"
    )


# Damage to stored data as one typed error that says what to do.
_SYSTEM = re.compile(r"\(os error (\d+)\)")


def damaged_library(folder: Place, what: str) -> DamagedLibraryError:
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
def reading(folder: Place) -> Iterator[None]:
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
            remote = isinstance(folder, StorePath)  # whose network may fail
            if isinstance(error, FinereelError) or _is_refusal(error) or remote:
                raise
            raise damaged_library(folder, f"it cannot be read ({first_line(error)})") from error


def _is_refusal(error: Exception) -> bool:
    number = _SYSTEM.search(str(error))
    return isinstance(error, OSError | MemoryError) or (
        number is not None and int(number[1]) != errno.ENOENT
    )
