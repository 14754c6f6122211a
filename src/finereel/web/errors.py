"""Errors that a web server answers with a status of its own."""

from finereel.errors import (
    ConfigError,
    DataError,
    FinereelError,
    LibraryBusyError,
    QueryError,
    StorageError,
    VideoError,
)


class RefusedError(FinereelError):
    """A request that is not answered.

    status: of HTTP. headers: further headers of the answer, such as Retry-After.
    """

    def __init__(self, status: int, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


STATUSES: tuple[tuple[type[FinereelError], int], ...] = (
    (QueryError, 400),
    (ConfigError, 400),
    (DataError, 400),
    (VideoError, 404),
    (LibraryBusyError, 409),
    (StorageError, 507),
)
"""The status of each kind of error; that of all others is 503: nobody can use the library now."""


def status_of(error: FinereelError) -> int:
    """The status of an error.

    >>> status_of(QueryError("empty")), status_of(RefusedError(404, "no such clip"))
    (400, 404)
    """
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 503)


def error_as_json(error: FinereelError) -> dict[str, dict[str, str]]:
    """An error as the command line prints it with `--json`."""
    return {"error": {"type": type(error).__name__, "message": str(error)}}
