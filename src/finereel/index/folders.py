"""Tell folders that are present from those that are not: an unplugged drive, a lost share, missing
permission.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Away:
    """A folder whose files cannot be reached now: unplugged, unmounted, no permission. videos: the
    library's in it.
    """

    path: str
    videos: int
    reason: str

    def __str__(self) -> str:
        count = f"{self.videos} video{'' if self.videos == 1 else 's'}"
        return f"the folder {self.path} is not here now ({count}): {self.reason}"


def why_away(folder: str) -> str:
    """Why nothing can be read in a folder now; empty when something can, and for a file.

    An empty folder counts: so an unmounted drive looks.
    """
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):  # noqa: PTH116 (names that are not UTF-8 arrive as str)
            return ""
        with os.scandir(folder) as entries:
            return "" if next(entries, None) is not None else "it is empty"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def folders_away(folders: Iterable[str], files: Iterable[tuple[str, bool]]) -> dict[str, list[str]]:
    """Paths of files that cannot be reached because a whole folder is away, by that folder.

    files: paths, and whether the file was gone when last looked for. Files that were not gone are
    only looked for in `folders`, so that a look at a large library costs little.
    """
    absent = [folder for folder in sorted(folders) if why_away(folder)]
    groups: dict[str, list[str]] = {}
    lost: dict[Path, str | None] = {}
    for path, missing in files:
        folder = next((root for root in absent if is_below(path, root)), None)
        if folder is None and missing:
            parent = Path(path).parent
            if parent not in lost:
                lost[parent] = _lost_folder(Path(path))
            folder = lost[parent]
        if folder is not None:
            groups.setdefault(folder, []).append(path)
    return groups


def away(groups: dict[str, list[str]]) -> tuple[Away, ...]:
    """The folders of `folders_away`, with the number of their videos."""
    return tuple(
        Away(folder, len(paths), why_away(folder)) for folder, paths in sorted(groups.items())
    )


def vanished(path: str) -> bool:
    """Whether there is no such file; not where the disk or a permission keeps us from knowing."""
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def is_below(path: str, root: str) -> bool:
    """Whether `path` is `root` or lies in it.

    >>> is_below("/a/b.mp4", "/a"), is_below("/ab.mp4", "/a")
    (True, False)
    """
    return path == root or path.startswith(root.rstrip("/") + "/")


def _lost_folder(path: Path) -> str | None:
    """The uppermost folder above `path` that is away; None when the file's own folder is here."""
    lost = None
    for folder in path.parents:
        if not why_away(str(folder)):
            return lost
        lost = str(folder)
    return lost
