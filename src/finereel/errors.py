"""The exceptions of Finereel.

Every message says what was expected, what was found and what to do next. All derive from
FinereelError:

    VideoError              a file that cannot give frames
        NotAVideoError      not a media file, or without a picture stream
        BrokenVideoError    a media file that cannot be decoded
        VideoLimitError     the deadline, the memory limit or the size limit was exceeded
            StalledVideoError   the machine was busy, or the disk did not answer
    ModelError              a model that cannot be loaded or does not fit
        ModelNotFoundError  no such directory, bundled name or hub id
        CheckpointError     tensors that are missing, unexpected or of the wrong shape
    LibraryError            a library that cannot be used as asked
        LibraryNotFoundError    no library at that path
        ModelMismatchError  indexed with another model
        LibraryBusyError    another process is writing
        DamagedLibraryError     stored data have changed; `finereel doctor --repair` helps
        ObjectStoreError    an object store that refuses, or that cannot hold a library
    StorageError            a file that cannot be written or read
    TrainingError           training that cannot continue; its last checkpoint is kept
    ProposalError           a language model that does not answer; its answers are kept
    DataError               annotations or captions that cannot be parsed
    QueryError              a query that is empty, far too long or not text
    ConfigError             a setting outside its range, or an unknown name
"""

from collections.abc import Iterable


class FinereelError(ValueError):
    """Base class of all errors that a user can cause or fix.

    The command line prints the message without a traceback.
    """


class VideoError(FinereelError):
    """A file that cannot give frames."""


class NotAVideoError(VideoError):
    """A file that is not a media file or has no picture stream."""


class BrokenVideoError(VideoError):
    """A media file that cannot be decoded."""


class VideoLimitError(VideoError):
    """Decoding exceeded the deadline, the memory limit or the size limit."""


class StalledVideoError(VideoLimitError):
    """The deadline passed while the decoder got hardly any processor time.

    The machine was busy, or the disk did not answer.
    """


class ModelError(FinereelError):
    """A model that cannot be loaded or does not fit."""


class ModelNotFoundError(ModelError):
    """There is no such model directory, bundled name or hub id."""


class CheckpointError(ModelError):
    """Tensors are missing, unexpected or of the wrong shape."""


class LibraryError(FinereelError):
    """A library folder that cannot be used as asked."""


class LibraryNotFoundError(LibraryError):
    """There is no library at that path."""


class ModelMismatchError(LibraryError):
    """The library was indexed with another model."""


class LibraryBusyError(LibraryError):
    """Another process is writing to the library."""


class DamagedLibraryError(LibraryError):
    """Stored data have changed or are missing.

    `finereel doctor --repair` keeps what is intact.
    """


class ObjectStoreError(LibraryError):
    """An object store does not answer, refuses, or does not do what a library needs."""


class StorageError(FinereelError):
    """A file or folder that cannot be written or read.

    For example, the disk is full, read-only or gone, or permission is denied.
    """


class TrainingError(FinereelError):
    """Training cannot continue; its last checkpoint is kept."""


class ProposalError(FinereelError):
    """A language model that should propose words cannot be reached or does not answer.

    Its earlier answers are kept.
    """


class DataError(FinereelError):
    """Annotations or captions that cannot be parsed; the message names the file and the line."""


class QueryError(FinereelError):
    """A query that is empty, far too long or not valid text."""


class ConfigError(FinereelError):
    """A setting outside its range, or an unknown name."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """Make the error for a name that is not in a registry.

    Args:
        kind: What the name stands for.
        name: The unknown name.
        known: The known names.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> str(unknown_name("head", "ucofa", ["ucofia"]))
        "unknown head 'ucofa': expected one of ucofia"
    """
    return ConfigError(f"unknown {kind} {name!r}: expected one of {', '.join(sorted(known))}")


def missing_extra(what: str, extra: str) -> ConfigError:
    """Make the error for packages that are not installed.

    Args:
        what: What needs them, such as `the scorer mteb`.
        extra: The extra of finereel that brings them.

    Returns:
        The error, to be raised by the caller.

    Example:
        >>> str(missing_extra("the bridge to MTEB", "mteb"))
        "the bridge to MTEB needs packages that are not installed; run `pip install 'finereel[mteb]'`"
    """
    return ConfigError(
        f"{what} needs packages that are not installed; run `pip install 'finereel[{extra}]'`"
    )
