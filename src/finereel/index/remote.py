"""The tables of libraries in object stores: how LanceDB is connected to them, and which version is
the newest.

Lance writes the manifest of a new version only where none of that number is (If-None-Match: *), so
several writers append to one table at once, and whoever comes second tries the next number.
"""

import functools
from typing import Any

from finereel.errors import ObjectStoreError
from finereel.index.lance import lancedb
from finereel.io.storage.client import refused, server, storage_options
from finereel.io.storage.places import Place, StorePath

TABLE_FOLDER = "clips.lance"


def connected(folder: Place) -> Any:
    """The database of an index folder; one connection for each of those in object stores."""
    return _open(folder) if isinstance(folder, StorePath) else lancedb.connect(folder)


def _open(folder: StorePath) -> Any:
    return _connected(folder, server())


@functools.lru_cache(maxsize=64)
def _connected(folder: StorePath, asked: str) -> Any:
    del asked  # the environment, which LanceDB reads
    # One in memory is gone with its last connection.
    try:
        return lancedb.connect(str(folder), storage_options=storage_options(folder))
    except Exception as error:
        raise refused(folder, error) from error


def newest_version(folder: StorePath) -> int | None:
    """The number of the newest version of the table in an index folder; None without a table.

    Costs one request: the names of manifests count down, so that the newest is listed first.
    """
    if folder.scheme == "memory":
        try:
            return int(_open(folder).open_table(TABLE_FOLDER.removesuffix(".lance")).version)
        except ValueError:  # no such table; nothing else fails in memory
            return None
    name = (folder / TABLE_FOLDER / "_versions").first_entry()
    if name is None:
        return None
    number = name.removesuffix(".manifest")
    if not (number.isdigit() and len(number) == 20):
        raise ObjectStoreError(
            f"{folder / TABLE_FOLDER} holds the version {name!r}, expected 20 digits; another "
            "program made this table, index into another library"
        )
    return 2**64 - 1 - int(number)
