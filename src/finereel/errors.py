"""The exceptions of Finereel. Every message says what was expected, what was found and what to do
next.

FinereelError ├── VideoError            a file that cannot give frames │   ├── NotAVideoError
not a media file, or no picture stream in it │   ├── BrokenVideoError      a media file that does
not decode │   └── VideoLimitError       past the deadline, the memory limit or the size limit │
└── StalledVideoError     past the deadline because the machine is busy or the disk hangs ├──
ModelError            a model that cannot be loaded or does not fit │   ├── ModelNotFoundError    no
such directory, bundled name or cached hub id │   └── CheckpointError       tensors missing,
unexpected or of the wrong shape ├── LibraryError          a library folder that cannot be used as
asked │   ├── LibraryNotFoundError  there is none at that path │   ├── ModelMismatchError    indexed
with another model │   ├── LibraryBusyError      another process is writing │   └──
DamagedLibraryError   stored data are not what was written; `finereel doctor --repair` keeps the
rest ├── StorageError          a file or folder that cannot be written or read: a full disk, no
permission, a lost share ├── TrainingError         training that cannot go on; its last checkpoint
is kept ├── ProposalError         a language model for proposals that does not answer; what it
answered is kept ├── DataError             annotations or captions that do not parse (names file and
line) ├── QueryError            a query that asks nothing: empty, only control characters, far too
long └── ConfigError           a setting outside its range or an unknown name
"""

from collections.abc import Iterable


class FinereelError(ValueError):
    """Base of all errors a user can cause or mend; the command line prints its message without a
    traceback.
    """


class VideoError(FinereelError):
    """A file that cannot give frames."""


class NotAVideoError(VideoError):
    """Not a media file, or a media file without a picture stream."""


class BrokenVideoError(VideoError):
    """A media file that does not decode."""


class VideoLimitError(VideoError):
    """Decoding passed the deadline, the memory limit or a size limit."""


class StalledVideoError(VideoLimitError):
    """The deadline passed while the decoder got hardly any processor time: a busy machine, a disk
    that hangs.
    """


class ModelError(FinereelError):
    """A model that cannot be loaded or does not fit."""


class ModelNotFoundError(ModelError):
    """No such model directory, bundled name or cached hub id."""


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
    """Stored data are not what was written, or are gone; `finereel doctor --repair` keeps what is
    whole.
    """


class StorageError(FinereelError):
    """A file or folder that cannot be written or read: the disk is full, read-only or gone, or
    permission is denied.
    """


class TrainingError(FinereelError):
    """Training cannot go on; its last checkpoint is kept."""


class ProposalError(FinereelError):
    """A language model that should propose words cannot be reached or does not answer; what it
    answered is kept.
    """


class DataError(FinereelError):
    """Annotations or captions that do not parse; the message names the file and the line."""


class QueryError(FinereelError):
    """A query that asks nothing (empty, only control characters), is far too long, or is no
    text.
    """


class ConfigError(FinereelError):
    """A setting outside its range, or an unknown name."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> ConfigError:
    """The one wording for a registry miss.

    >>> str(unknown_name("head", "ucofa", ["ucofia"]))
    "unknown head 'ucofa': expected one of ucofia"
    """
    return ConfigError(f"unknown {kind} {name!r}: expected one of {', '.join(sorted(known))}")
