"""Check whether a folder is a library without opening its table, so that an error needs no import
of torch or LanceDB.
"""

import difflib
from pathlib import Path

from finereel.errors import LibraryNotFoundError
from finereel.io.storage.places import Place, StorePath

NAME = "library.json"
"""The file that names the live index of a library."""
_NEIGHBOURS = 200
"""Folders looked at around a path that is no library."""


def is_library(folder: Place) -> bool:
    """Whether a library was ever begun there."""
    if isinstance(folder, StorePath):
        return (folder / NAME).exists()
    return (folder / NAME).exists() or any(folder.glob("index-*/clips.lance"))


def require_library(folder: Place) -> None:
    """Raises LibraryNotFoundError, which names the library nearest by, where the folder is none."""
    if not is_library(folder):
        raise not_found(folder)


def not_found(library: Place) -> LibraryNotFoundError:
    """The one wording for a folder without a library."""
    near = None if isinstance(library, StorePath) else nearest_library(library)
    hint = "" if near is None else f"; did you mean `--library {near}`?"
    return LibraryNotFoundError(
        f"there is no library at {library}; make one with `finereel index VIDEOS --library "
        f"{library}`{hint}"
    )


def nearest_library(missing: Path) -> Path | None:
    """A library in the folder itself, above it, or beside it under a similar name; None where there
    is none.
    """
    try:
        inside = [child for child in _children(missing) if is_library(child)]
        above = [folder for folder in missing.parents if is_library(folder)]
        beside = {child.name: child for child in _children(missing.parent) if is_library(child)}
    except OSError:
        return None
    similar = difflib.get_close_matches(missing.name, beside, n=1, cutoff=0.5) or list(beside)[:1]
    return next(iter([*inside, *above, *(beside[name] for name in similar)]), None)


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    found = [child for child, _ in zip(folder.iterdir(), range(_NEIGHBOURS), strict=False)]
    return sorted(child for child in found if child.is_dir())
