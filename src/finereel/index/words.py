"""What is said in the clips of a library: read from a video's subtitles, kept in the column `said`.

null means that nobody looked yet, an empty text that nothing is said as far as is known.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from finereel.errors import (
    BrokenVideoError,
    NotAVideoError,
    StalledVideoError,
    VideoError,
    VideoLimitError,
)
from finereel.index.checksums import CONTENT_CHECKSUMS, CONTENT_COLUMNS, as_lists, checksums_of
from finereel.index.facts import FileFacts, fact_changes
from finereel.index.protocols import CueSource, VideoSource
from finereel.index.store import ClipStore
from finereel.io.atomic import read_stored_json, write_file
from finereel.io.signals import StopFlag
from finereel.video.files import file_state
from finereel.video.subtitles import FileCues, said_within, sidecars


def cues_of(source: VideoSource, path: Path) -> FileCues | None:
    """The subtitles of a video; None where they cannot be read this time. None of them stops the
    indexing of the video, whatever is wrong with it.
    """
    if not isinstance(source, CueSource):
        return FileCues()
    try:
        return source.cues(path)
    except StalledVideoError:
        return None
    except (BrokenVideoError, NotAVideoError, VideoLimitError) as error:
        return FileCues(problems=(str(error),))
    except (VideoError, OSError):
        return None


NAME = "sidecars.json"
"""The file in the index folder that says, by path, which files of subtitles were read."""


def read_again(store: ClipStore, source: VideoSource, paths: Sequence[str], stop: StopFlag) -> int:
    """Read the subtitles of those videos beside which they changed or came since they were read, in
    one commit; returns the number of these videos. The caller holds the lock.

    The videos themselves did not change, so nothing is decoded.
    """
    if not isinstance(source, CueSource) or "said" not in store.schema.names:
        return 0
    known = read_stored_json(store.folder / NAME) or {}
    now = {path: _beside(path) for path in paths}
    changed = [path for path in paths if now[path] != known.get(path, "")]
    files, read = store.files() if changed else {}, dict[str, FileCues]()
    for path in changed:
        cues = cues_of(source, Path(path)) if path in files and not stop.is_set() else None
        if cues is None:
            del now[path]
        else:
            read[files[path].file_id] = cues
    if read:
        columns = ["clip_id", "file_id", "start", "end", "strip", "said"]
        clips = store.snapshot().clips_of(list(read), columns)
        said = said_in_files(clips, read)
        if said != clips["said"].to_pylist():
            store.say(said_changes(clips, said))
            store.refresh_words()
    if now.items() - known.items():
        kept = {path: state for path, state in (known | now).items() if state}
        write_file(store.folder / NAME, json.dumps(kept))
    return len(read)


def _beside(path: str) -> str:
    """Equal as long as the files of subtitles beside a video are the same; empty without any."""
    states = []
    for sidecar in sidecars(Path(path)):
        with suppress(OSError):
            state = file_state(sidecar)
            states.append(f"{sidecar.name} {state.size} {state.mtime_ns}")
    return "\n".join(states)


def said_in_rows(rows: pa.Table, cues: FileCues) -> list[str]:
    """What is said in each of some clips of one file, rows with `start` and `end`."""
    spans = zip(*(rows[name].to_pylist() for name in ("start", "end")), strict=True)
    return [said_within(cues.cues, start, end) for start, end in spans]


def said_in_files(rows: pa.Table, cues: Mapping[str, FileCues]) -> list[str]:
    """The same for clips of several files, by `file_id`."""
    spans = zip(*(rows[name].to_pylist() for name in ("file_id", "start", "end")), strict=True)
    return [said_within(cues[file_id].cues, start, end) for file_id, start, end in spans]


def said_changes(
    clips: pa.Table, said: Sequence[str], facts: Mapping[str, FileFacts] | None = None
) -> pa.Table:
    """One row per clip, with what is said in it, and its checksum.

    Args:
        clips: The clips, with `clip_id`, `file_id` and `strip`.
        said: A text for each.
        facts: The facts of their files, by file id, where these change too.
    """
    content = pa.table({"said": pa.array(said, pa.string()), "strip": clips["strip"]})
    sums = as_lists(checksums_of(content.select(CONTENT_COLUMNS)))
    changes = pa.table(
        {"clip_id": clips["clip_id"], "said": content["said"], CONTENT_CHECKSUMS: sums}
    )
    if facts is None:
        return changes
    rows = fact_changes(facts)
    place = {file_id: number for number, file_id in enumerate(rows["file_id"].to_pylist())}
    chosen = rows.take([place[file_id] for file_id in clips["file_id"].to_pylist()])
    for name in chosen.schema.names:
        if name != "file_id":
            changes = changes.append_column(name, chosen[name])
    return changes
