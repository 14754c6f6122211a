"""What a library knows of paths: its files, what was tried and failed, and what is not here now."""

import os
from pathlib import Path

from finereel.errors import NotAVideoError
from finereel.index.folders import folders_away, is_below
from finereel.index.journal import Journal
from finereel.index.protocols import VideoSource
from finereel.index.store import ClipStore
from finereel.video.find import Found, nothing_found


def known_paths(store: ClipStore) -> list[str]:
    """Every path the library knows something about."""
    return sorted({*store.files(), *Journal(store.folder).paths()})


def forget(store: ClipStore, paths: list[str]) -> int:
    """Drop the rows and the failures of files; returns how many files had rows."""
    files = store.files()
    chosen = [files[path].file_id for path in paths if path in files]
    if chosen:
        store.commit([], chosen)
    Journal(store.folder).forget(paths)
    return len(chosen)


def known_away(store: ClipStore, roots: list[str]) -> dict[str, list[str]]:
    """The known files in those of `roots` that are not here now, by root."""
    known = known_paths(store)
    files = store.files()
    return folders_away(
        [root for root in roots if root not in files], [(path, False) for path in known]
    )


def find_videos(source: VideoSource, store: ClipStore, roots: list[str]) -> Found:
    """Find the video files at `roots`.

    A root that is gone counts as vanished if the library knows files there.
    """
    known = known_paths(store)
    forgotten = {root for root in roots if any(is_below(path, root) for path in known)}
    wanted = [Path(root) for root in roots if os.path.lexists(root) or root not in forgotten]
    try:
        found = source.find(wanted) if wanted else Found()
    except NotAVideoError:
        if not forgotten:
            raise
        return Found()
    if not found.videos and wanted and not forgotten:
        raise nothing_found(wanted, found)
    return found
