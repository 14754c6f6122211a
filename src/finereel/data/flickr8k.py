"""Flickr8k: 8,000 everyday photos with five captions each, and the official lists of 6,000 / 1,000 /
1,000 of them.

Files: Flickr8k.token.txt, lines `NAME.jpg#K<tab>caption`; Flickr_8k.trainImages.txt,
Flickr_8k.devImages.txt and Flickr_8k.testImages.txt list the photos of the splits. Every caption is
a query; a photo counts as a clip of one frame. Source: Hodosh, Young and Hockenmaier 2013, for
research.
"""

from dataclasses import replace
from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, SplitSize
from finereel.io.tables import find_file, need_file, quoted, read_ids, read_lines

PUBLISHED = {
    "train": SplitSize(6000, 30_000),
    "val": SplitSize(1000, 5000),
    "test": SplitSize(1000, 5000),
}
CAPTIONS = "Flickr8k.token.txt"
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "val": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}


def load(annotations: Path) -> Dataset:
    """Load the splits whose lists are there.

    Args:
        annotations: Folder of the four files.

    Returns:
        The data set; the ids of its photos are their file names.

    Raises:
        DataError: If a file does not parse, or none of the lists is there.
    """
    path, table = need_file(annotations, CAPTIONS), CaptionTable()
    for row in read_lines(path):
        name, mark, text = row.values["line"].partition("\t")
        photo, number_mark, _ = name.rpartition("#")
        if not (mark and number_mark):
            raise row.error(
                f"expected NAME#K, a tab and a caption, got {quoted(row.values['line'])}"
            )
        parts = replace(row, values={"photo": photo, "id": name, "caption": text})
        table.add(row, parts.name("photo"), parts.text("caption"), parts.name("id"))
    found = {name: find_file(annotations, file) for name, file in LISTS.items()}
    if not any(found.values()):
        need_file(annotations, *LISTS.values())
    return Dataset(
        "flickr8k",
        {
            name: table.listed(name, read_ids(listing))
            for name, listing in found.items()
            if listing is not None
        },
        CaptionProtocol(max_words=32, max_frames=1, texts="multiple"),
        selection="val" if found["val"] is not None else None,
    )
