"""What is said in the clips of a library: read from a video's subtitles, kept in the column `said`.

null means that nobody looked yet, an empty text that nothing is said as far as is known.
"""

from collections.abc import Mapping, Sequence
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
from finereel.video.subtitles import FileCues, said_within


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
