"""The client of object stores (obstore, the Rust crate `object_store`), its settings, and its
errors as one message that says what to do.

Credentials come from the environment, under the names that the tools of each store use
(`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`, `GOOGLE_APPLICATION_CREDENTIALS`,
`AZURE_STORAGE_ACCOUNT_NAME` ...), or from the role of the machine.
"""

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, runtime_checkable

from finereel.errors import ConfigError, FinereelError, ObjectStoreError
from finereel.io.atomic import first_line

EXTRA = "cloud"
_RETRIES = {"max_retries": 4, "retry_timeout": timedelta(seconds=30)}
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and, for other servers than "
    "Amazon's, AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_REFUSED = ("403 Forbidden", "401 Unauthorized", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_REFUSED_KINDS = ("PermissionDeniedError", "UnauthenticatedError")
_NO_BUCKET = ("NoSuchBucket", "ContainerNotFound", "The specified bucket does not exist")
_UNREACHED = ("error sending request", "onnection refused", "dns error", "Connect")


@runtime_checkable
class ObjectName(Protocol):
    """What names an object; `finereel.io.storage.places.StorePath` is one."""

    @property
    def scheme(self) -> str: ...
    @property
    def bucket(self) -> str: ...
    @property
    def key(self) -> str: ...
    @property
    def options(self) -> tuple[tuple[str, str], ...]: ...


def opened(place: ObjectName) -> Any:
    """The store of the bucket of a place; one per bucket and settings in a process."""
    return _opened(place.scheme, place.bucket, place.options, server())


@functools.lru_cache(maxsize=64)
def _opened(scheme: str, bucket: str, options: tuple[tuple[str, str], ...], asked: str) -> Any:
    del asked  # the environment that is read below
    try:
        from obstore.store import MemoryStore, from_url
    except ImportError as error:
        raise ConfigError(
            f"a library in an object store needs obstore ({error}); run "
            f"`pip install 'finereel[{EXTRA}]'`"
        ) from error
    if scheme == "memory":
        return MemoryStore()
    given = {**_plain_http(), **dict(options)}
    ours = {
        name.removeprefix("aws_").removeprefix("azure_"): value for name, value in given.items()
    }
    settings = {"allow_http": True} if ours.pop("allow_http", "") == "true" else {}
    try:
        return from_url(  # type: ignore[call-overload]
            f"{scheme}://{bucket}",
            config=ours or None,
            client_options=settings or None,
            retry_config=_RETRIES,
        )
    except Exception as error:
        raise ObjectStoreError(
            f"{scheme}://{bucket} cannot be opened ({first_line(error)}); check the address and "
            f"the settings {_CREDENTIALS[scheme]} of the environment"
        ) from error


def storage_options(place: ObjectName) -> dict[str, str]:
    """The same settings for LanceDB, which reads those of the environment by itself."""
    return {**_plain_http(), **dict(place.options)}


def _plain_http() -> dict[str, str]:
    """A server that a person named with http:// may be asked without encryption."""
    return {"allow_http": "true"} if server().startswith("http://") else {}


def server() -> str:
    """The address of the server that the environment names; empty for Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""


def put_if(place: ObjectName, content: bytes, mode: Any) -> str | None:
    """Write an object under a condition; its etag, or None where the condition does not hold."""
    with store_errors(place):
        from obstore.exceptions import AlreadyExistsError, NotFoundError, PreconditionError

        try:
            etag: str | None = opened(place).put(place.key, content, mode=mode)["e_tag"]
        except (AlreadyExistsError, PreconditionError):
            return None
        except (NotFoundError, FileNotFoundError) as error:
            require_bucket(place, error)
            return None
        return etag or ""


def require_bucket(place: ObjectName, error: Exception) -> None:
    """Raises ObjectStoreError where an object is not found because its bucket is not there."""
    if any(sign in str(error) for sign in _NO_BUCKET):
        raise ObjectStoreError(
            f"there is no bucket {place.scheme}://{place.bucket}; make it with the tools of your "
            "store, or check the name"
        ) from error


@contextmanager
def store_errors(place: ObjectName) -> Iterator[None]:
    """Raise ObjectStoreError for what a store refuses; FileNotFoundError passes."""
    try:
        yield
    except (FinereelError, FileNotFoundError):
        raise
    except Exception as error:
        raise refused(place, error) from error


def refused(place: ObjectName, error: BaseException) -> ObjectStoreError:
    """What a store refused, in one line: why, and what to do."""
    words, names = str(error), _CREDENTIALS.get(place.scheme, "")
    if type(error).__name__ in _REFUSED_KINDS or any(sign in words for sign in _REFUSED):
        return ObjectStoreError(
            f"{place}: the store refuses these credentials; set {names}, and allow them to read, "
            "list and write there"
        )
    if any(sign in words for sign in _UNREACHED):
        return ObjectStoreError(
            f"{place}: the store does not answer ({first_line(error)}); check the network and the "
            f"settings {names}"
        )
    return ObjectStoreError(
        f"{place} could not be used ({first_line(error)}); what was committed before is safe. Run "
        "the same command again"
    )
