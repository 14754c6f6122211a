"""FOLDERS -> FILES: the videos below the paths a person names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.errors import NotAVideoError
from finereel.video.files import shown

EXTENSIONS = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".wmv", ".flv", ".ogv", ".gif"}
    | {".mpg", ".mpeg", ".ts", ".mts", ".m2ts"}
)


def find_videos(paths: Iterable[str | Path]) -> list[Path]:
    """All video files at or below `paths`, sorted, each once.

    A folder gives its files with one of EXTENSIONS, hidden folders and files left out, links to folders followed once.
    A path that is not a folder is taken as it is named, whatever its extension: whether it can be read, the reader
    will say. Raises NotAVideoError for a path that does not exist and when nothing was found at all.
    """
    named = [Path(path) for path in paths]
    found: set[Path] = set()
    for path in named:
        if path.is_dir():
            found.update(file for file in files_below(path) if file.suffix.lower() in EXTENSIONS)
        elif path.is_symlink() or path.exists():
            found.add(path)
        else:
            raise NotAVideoError(f"{shown(path)}: there is no such file or folder; check the spelling")
    if not found:
        folders = ", ".join(shown(path) for path in named) or "no path given"
        raise NotAVideoError(f"no video found in {folders}: looked for {' '.join(sorted(EXTENSIONS))}")
    return sorted(found)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file below a folder; hidden folders and files are left out, links to folders followed once."""
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(root)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in seen:  # a link back to a folder already visited
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in names:
            if not name.startswith("."):
                yield Path(root) / name
