"""Move damaged files to `LIBRARY/quarantine`; they are never deleted, because they may still be
recoverable.
"""

from pathlib import Path

from finereel.io.atomic import sync_folder

FOLDER = "quarantine"


def set_aside(library: Path, path: Path) -> Path:
    """Move a file or folder of the library into its quarantine, under its path below the library;
    returns where to.
    """
    relative = path.relative_to(library)
    place = library / FOLDER / relative
    number = 1
    while place.exists():
        place = library / FOLDER / relative.with_name(f"{relative.name}.{number}")
        number += 1
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    for folder in (path.parent, *place.parents):
        sync_folder(folder)
        if folder == library:
            break
    return place


def set_aside_files(library: Path) -> list[Path]:
    """Everything in the quarantine."""
    return sorted(path for path in (library / FOLDER).rglob("*") if path.is_file())
