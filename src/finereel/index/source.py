"""The videos of the local file system, decoded in a killable child process."""

from collections.abc import Iterable
from pathlib import Path

from finereel.video.find import Found, search_folders
from finereel.video.identity import FileState, content_hash, file_state
from finereel.video.plan import ClipPlan, Limits
from finereel.video.reader import ClipStream, VideoReader


class DiskSource:
    """The `VideoSource` that libraries use. limits: of one file, against hostile or broken ones."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._reader = VideoReader(limits)

    def find(self, paths: Iterable[Path]) -> Found:
        """See `finereel.video.find.search_folders`."""
        return search_folders(paths)

    def state(self, path: Path) -> FileState:
        """Size and modification time."""
        return file_state(path)

    def content_hash(self, path: Path) -> str:
        """See `finereel.video.identity.content_hash`."""
        return content_hash(path)

    def clips(self, path: Path, plan: ClipPlan) -> ClipStream:
        """The clips of a file; one file at a time."""
        return self._reader.read(path, plan)

    def close(self) -> None:
        """End the decoding child; the next file starts another."""
        self._reader.close()
