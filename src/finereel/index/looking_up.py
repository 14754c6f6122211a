"""Look up clips by their ids and what video files are, without searching."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finereel.errors import QueryError, VideoError
from finereel.index.facts import FileFacts
from finereel.index.protocols import VideoSource
from finereel.index.schema import decode_path
from finereel.index.snapshot import Snapshot
from finereel.types import Hit


def clips_by_id(snapshot: Snapshot, clip_ids: Sequence[str]) -> list[Hit]:
    """The clips with these ids in their order, with a score of 0.

    Raises QueryError for an id that the library does not have.
    """
    wanted = list(dict.fromkeys(clip_ids))
    ids = snapshot.rows(["clip_id"])
    chosen = ids.filter(pc.is_in(ids["clip_id"], pa.array(wanted, pa.string())))
    rows = snapshot.take_rows(
        chosen["_rowid"].to_numpy().astype(np.int64), ["clip_id", "path", "start", "end"]
    ).to_pylist()
    found = {
        row["clip_id"]: Hit(
            decode_path(row["path"]),
            *(row["start"], row["end"], 0.0, {}, (row["start"] + row["end"]) / 2),
            row["clip_id"],
        )
        for row in rows
    }
    if unknown := [clip_id for clip_id in wanted if clip_id not in found]:
        raise QueryError(
            f"the library has no clip {', '.join(map(repr, unknown[:3]))}; ids stand as clip_id in "
            "what `finereel search TEXT --json-version 2` prints"
        )
    return [found[clip_id] for clip_id in wanted]


def facts_by_path(
    snapshot: Snapshot, paths: Sequence[str], source: VideoSource
) -> dict[str, FileFacts]:
    """What some video files are: as the library knows it, else as the file itself says; nothing is
    known of one that cannot be read.
    """
    files, facts = snapshot.files(), snapshot.facts()
    found = {}
    for path in dict.fromkeys(paths):
        known = facts.get(files[path].file_id) if path in files else None
        found[path] = known if known is not None and known.known else probed(path, source)
    return found


def probed(path: str, source: VideoSource) -> FileFacts:
    """What a video file says that it is; nothing is known of one that cannot be read."""
    try:
        return FileFacts.of(source.probe(Path(path)), source.state(Path(path)))
    except (VideoError, OSError):
        return FileFacts()
