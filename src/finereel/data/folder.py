"""Your own videos: a CSV or JSONL file that assigns captions to files of a folder.

    video,caption,split                  {"video": "a.mp4", "caption": "a dog runs", "split": "train"}
    a.mp4,a dog runs,train               {"video": "b.mp4", "caption": "a cat sleeps", "split": "val"}

`video` is a path below the folder of the videos, with or without its extension. `split` (without it
everything is the split `all`) and `id` (a name of the caption, one in the whole file) may be left
out; other columns are not read. A video belongs to one split, however it is spelled: `./a.mp4` is
`a.mp4`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, SplitSize
from finereel.data.leaks import spelling
from finereel.errors import DataError
from finereel.io.tables import Row, need_file, quoted, read_csv, read_jsonl

PUBLISHED: dict[str, SplitSize] = {}
NAMES = ("captions.csv", "captions.jsonl", "annotations.csv", "annotations.jsonl")
ALL = "all"


def load(annotations: Path) -> Dataset:
    """The splits of a file with the ending .csv or .jsonl, or of the first of NAMES in a folder.

    `val` chooses the checkpoint where there is one. Raises DataError for rows that do not parse, an
    id that occurs twice, a video in two splits, and a file without captions.
    """
    named = annotations.suffix and not annotations.is_dir()
    path = annotations if named else need_file(annotations, *NAMES)
    if path.suffix.lower() not in (".csv", ".jsonl"):
        raise DataError(f"expected a .csv or .jsonl file of captions, got {path}")
    tables = _by_split(_rows(path))
    splits = {name: table.split(name) for name, table in tables.items()}
    several = any(len(split.captions) > len(split.videos) for split in splits.values())
    protocol = CaptionProtocol(32, 12, "multiple" if several else "single")
    return Dataset("folder", splits, protocol, "val" if "val" in splits else None)


def _rows(path: Path) -> Iterator[Row]:
    return (
        read_csv(path, ["video", "caption"]) if path.suffix.lower() == ".csv" else read_jsonl(path)
    )


def _by_split(rows: Iterable[Row]) -> dict[str, CaptionTable]:
    tables: dict[str, CaptionTable] = {}
    first_of: dict[str, tuple[str, str]] = {}
    names = CaptionTable()
    for row in rows:
        video = row.name("video")
        split = row.name("split") if "split" in row.values else ALL
        before, other = first_of.setdefault(spelling(video), (video, split))
        if other != split:
            spelled = "" if before == video else f", spelled {quoted(before)}"
            raise row.error(
                f"{quoted(video)} is in split {quoted(other)} too{spelled}; a video has one split"
            )
        own = row.name("id") if "id" in row.values else None
        if own is not None:
            names.claim(row, own)
        tables.setdefault(split, CaptionTable()).add(row, video, row.text("caption"), own)
    return tables
