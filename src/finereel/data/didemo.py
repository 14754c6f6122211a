"""DiDeMo: Flickr videos of 30 s; the descriptions of a video are joined into one paragraph.

Files, for each of train, val and test: didemo_SPLIT_label.csv (columns video_path, text: the videos
later papers could still get, joined paragraphs), or else SPLIT_data.json (one row per description),
restricted to SPLIT_list.txt where there is one. Ids are file names with their extension.

The data set's own JSON has 8,511, 1,094 and 1,037 videos; papers report 8,395, 1,065 and 1,004, the
rest having vanished. The label files in circulation have 8,362, 1,062 and 1,004: the test split is
the published one, and training has 33 videos less. Both kinds of files give the same paragraph for
a video.
"""

from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, Split, SplitSize, paragraph
from finereel.io.tables import Row, find_file, json_rows, need_file, read_csv, read_ids, read_json

PUBLISHED = {
    "train": SplitSize(8395, 8395),
    "val": SplitSize(1065, 1065),
    "test": SplitSize(1004, 1004),
}
LABELS, DESCRIPTIONS, LIST = "didemo_{}_label.csv", "{}_data.json", "{}_list.txt"


def load(annotations: Path) -> Dataset:
    """The splits whose files are there. DataError for files that do not parse, or none at all."""
    need_file(
        annotations, *(kind.format(name) for name in PUBLISHED for kind in (LABELS, DESCRIPTIONS))
    )
    splits = {}
    for name in PUBLISHED:
        labels, descriptions = (
            find_file(annotations, kind.format(name)) for kind in (LABELS, DESCRIPTIONS)
        )
        if labels is not None:
            splits[name] = _labelled(name, labels)
        elif descriptions is not None:
            splits[name] = _described(name, descriptions, find_file(annotations, LIST.format(name)))
    return Dataset(
        "didemo", splits, CaptionProtocol(64, 64, "paragraph"), "val" if "val" in splits else None
    )


def _labelled(name: str, path: Path) -> Split:
    table = CaptionTable()
    for row in read_csv(path, ["video_path", "text"]):
        table.add_only(
            row,
            row.name("video_path").replace("\\", "/").rpartition("/")[2],
            paragraph([row.text("text")]),
        )
    return table.split(name)


def _described(name: str, path: Path, listing: Path | None) -> Split:
    sentences: dict[str, list[str]] = {}
    first: dict[str, Row] = {}
    seen: set[str] = set()
    for row in json_rows(path, read_json(path)):
        number = str(row.values.get("annotation_id", row.place))
        if number in seen:
            raise row.error(
                f"annotation_id {number[:20]} was listed already; remove one of the two"
            )
        seen.add(number)
        video = row.name("video")
        first.setdefault(video, row)
        sentences.setdefault(video, []).append(row.text("description"))
    table = CaptionTable()
    for video, row in first.items():
        table.add_only(row, video, paragraph(sentences[video]))
    return table.split(name) if listing is None else table.listed(name, read_ids(listing))
