"""Where a library is: a local folder (`Path`) or a prefix of an object store (`StorePath`), such as
`s3://bucket/library`.

A `StorePath` has the methods of `Path` that a library uses for its small files, each of which is
one object there. An object is always the old one or the new one as a whole, and it is durable once
it is written, so nothing is forced to disk. What several writers may change at once is written
with a condition (`create`, `replace`).
"""

import os
import re
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from finereel.errors import ConfigError
from finereel.io.storage import client

SCHEMES = ("s3", "gs", "az", "memory")
_URI = re.compile(rf"({'|'.join(SCHEMES)}):/+(.*)")
_GETS = 16
"""Objects that are read at the same time."""


class StorePath:
    """A name in an object store: of an object, or of all whose names begin with it and a slash.

    options: settings of the store beside those of the environment, such as `endpoint`; see
    docs/guide/many-machines.md.

    >>> place = StorePath("s3://bucket/videos/library/")
    >>> str(place / "library.json"), place.name, str(place.parent)
    ('s3://bucket/videos/library/library.json', 'library', 's3://bucket/videos')

    Raises:
        ConfigError: Not an address of this form, or without a bucket.
    """

    def __init__(self, uri: str, options: Mapping[str, str] | None = None) -> None:
        found = _URI.fullmatch(uri)
        parts = [] if found is None else [part for part in found[2].split("/") if part]
        if found is None or not parts or any(part in (".", "..") for part in parts):
            known = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise ConfigError(
                f"expected an address such as s3://BUCKET/LIBRARY ({known}), got {uri!r}"
            )
        self.scheme = found[1]
        self._parts = tuple(parts)
        self.options = tuple(sorted((options or {}).items()))

    def __str__(self) -> str:
        return f"{self.scheme}://{'/'.join(self._parts)}"

    def __repr__(self) -> str:
        return f"StorePath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StorePath) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.scheme, self._parts, self.options)

    @property
    def bucket(self) -> str:
        """The bucket, or the container."""
        return self._parts[0]

    @property
    def key(self) -> str:
        """The name within the bucket."""
        return "/".join(self._parts[1:])

    @property
    def name(self) -> str:
        """The last part of the name."""
        return self._parts[-1]

    @property
    def stem(self) -> str:
        """The last part of the name without its ending."""
        return self.name.rsplit(".", 1)[0]

    @property
    def parent(self) -> "StorePath":
        """What this is in; a bucket is in itself."""
        return self._with(self._parts[:-1] or self._parts)

    def __truediv__(self, name: str) -> "StorePath":
        return self._with((*self._parts, *(part for part in name.split("/") if part)))

    def _with(self, parts: Sequence[str]) -> "StorePath":
        return StorePath(f"{self.scheme}://{'/'.join(parts)}", dict(self.options))

    def exists(self) -> bool:
        """Whether there is an object of this name."""
        return self.etag() is not None

    def etag(self) -> str | None:
        """What changes whenever the object is written; None where there is none."""
        with client.store_errors(self):
            try:
                found: str | None = client.opened(self).head(self.key)["e_tag"]
            except FileNotFoundError as error:
                client.require_bucket(self, error)
                return None
        return found or ""

    def stamp(self) -> int:
        """A number that changes when the object is written; 0 where there is none."""
        etag = self.etag()
        return 0 if etag is None else 1 + zlib.crc32(etag.encode())

    def read_bytes(self) -> bytes:
        """The object. Raises FileNotFoundError where there is none."""
        return self.read()[0]

    def read(self) -> tuple[bytes, str]:
        """The object and its etag. Raises FileNotFoundError where there is none."""
        with client.store_errors(self):
            try:
                found = client.opened(self).get(self.key)
                return bytes(found.bytes()), found.meta["e_tag"] or ""
            except FileNotFoundError as error:
                client.require_bucket(self, error)
                raise

    def download(self, path: Path) -> None:
        """Copy the object to a local file, piece by piece. Raises FileNotFoundError where there is
        none.
        """
        with client.store_errors(self):
            found = client.opened(self).get(self.key)
            with path.open("wb") as stream:
                for piece in found.stream(min_chunk_size=1 << 20):
                    stream.write(piece)

    def write_bytes(self, content: bytes) -> None:
        """Write the object, whatever was there."""
        with client.store_errors(self):
            client.opened(self).put(self.key, content)

    def create(self, content: bytes) -> str | None:
        """Write the object if there is none; returns its etag, None where there is one already."""
        return client.put_if(self, content, "create")

    def replace(self, content: bytes, etag: str) -> str | None:
        """Write the object if its etag is this one; returns the new etag, None where it is not."""
        return client.put_if(self, content, {"e_tag": etag})

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object; there need not be one."""
        del missing_ok
        with client.store_errors(self):
            try:
                client.opened(self).delete(self.key)
            except FileNotFoundError:
                return

    def entries(self) -> dict[str, int]:
        """The objects whose names begin with this one and a slash: sizes in bytes by the rest of the
        name, sorted.
        """
        with client.store_errors(self):
            try:
                listed = client.opened(self).list(f"{self.key}/" if self.key else None)
                found = {one["path"]: int(one["size"]) for chunk in listed for one in chunk}
            except FileNotFoundError as error:
                client.require_bucket(self, error)
                return {}
        skipped = len(self.key) + 1 if self.key else 0
        return {path[skipped:]: found[path] for path in sorted(found)}

    def first_entry(self) -> str | None:
        """The rest of the name of the first of the objects that `entries` tells, in one request."""
        with client.store_errors(self):
            for chunk in client.opened(self).list(f"{self.key}/", chunk_size=1000):
                names = sorted(str(one["path"]) for one in chunk)
                if names:
                    return names[0][len(self.key) + 1 :]
        return None

    def read_all(self) -> list[bytes]:
        """The contents of the objects that `entries` tells, in the order of their names."""
        names = list(self.entries())
        with ThreadPoolExecutor(_GETS) as pool:
            found = pool.map(lambda name: _content(self / name), names)
            return [content for content in found if content is not None]

    def remove_all(self) -> None:
        """Remove the objects that `entries` tells."""
        for name in self.entries():
            (self / name).unlink()


Place = Path | StorePath
"""Where a library, or one of its files, is."""


def place_of(path: "str | os.PathLike[str] | StorePath") -> Place:
    """The place that a person named: a `StorePath` for an address, else a `Path`.

    An address that went through `Path` has lost a slash and is recognised all the same.

    >>> place_of("s3://bucket/library"), str(place_of(Path("s3://bucket/library")))
    (StorePath('s3://bucket/library'), 's3://bucket/library')
    """
    if isinstance(path, StorePath):
        return path
    text = os.fspath(path)
    return StorePath(text) if is_address(text) else Path(text)


def is_address(path: Any) -> bool:
    """Whether a path names something in an object store.

    >>> is_address("s3://bucket/a"), is_address("/s3/a"), is_address("~/videos")
    (True, False, False)
    """
    return isinstance(path, StorePath) or _URI.fullmatch(os.fspath(path)) is not None


def local(place: Place) -> Path:
    """The path of a place that is known to be a local folder or file."""
    assert isinstance(place, Path)
    return place


def stamp(place: Place) -> int:
    """A number that changes when a file is written anew; 0 where there is none."""
    if isinstance(place, StorePath):
        return place.stamp()
    return place.stat().st_mtime_ns if place.exists() else 0


def size_of(place: Place) -> int:
    """What all files below a place take up, in bytes."""
    if isinstance(place, StorePath):
        return sum(place.entries().values())
    found = 0
    for path in place.rglob("*"):
        with suppress(FileNotFoundError):  # a writer removed it meanwhile
            found += path.stat().st_size if path.is_file() else 0
    return found


def _content(place: StorePath) -> bytes | None:
    try:
        return place.read_bytes()
    except FileNotFoundError:  # another writer removed it meanwhile
        return None
