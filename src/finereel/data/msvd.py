"""MSVD: 1,970 short clips with about 40 captions each; every caption is a query.

Files: captions_msvd.json ({id: [captions]}), train_list.txt, val_list.txt, test_list.txt (ids, one
per line).
"""

from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, SplitSize
from finereel.io.tables import find_file, keyed_rows, need_file, read_ids

PUBLISHED = {
    "train": SplitSize(1200, 48_774),
    "val": SplitSize(100, 4290),
    "test": SplitSize(670, 27_763),
}
CAPTIONS = "captions_msvd.json"
LISTS = {name: f"{name}_list.txt" for name in PUBLISHED}


def load(annotations: Path) -> Dataset:
    """The splits whose lists are there. DataError for files that do not parse, or no list
    at all.
    """
    table = captions_by_key(need_file(annotations, CAPTIONS))
    need_file(annotations, *LISTS.values())
    found = {name: find_file(annotations, file) for name, file in LISTS.items()}
    splits = {
        name: table.listed(name, read_ids(path)) for name, path in found.items() if path is not None
    }
    return Dataset(
        "msvd", splits, CaptionProtocol(32, 12, "multiple"), "val" if "val" in splits else None
    )


def captions_by_key(path: Path) -> CaptionTable:
    """The captions of a JSON object {id: [captions]}; VATEX has come as one, too."""
    table = CaptionTable()
    for row in keyed_rows(path):
        for text in row.texts("value"):
            table.add(row, row.name("id"), text)
    return table
