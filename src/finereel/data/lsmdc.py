"""LSMDC: clips of films with one line of audio description each; tested on the 1,000 of the 2016
challenge.

Files: LSMDC16_annos_training.csv, LSMDC16_annos_val.csv, LSMDC16_challenge_1000_publictect.csv: six
columns between tabs, no header (clip, start and end aligned, start and end extracted, sentence). A
clip may have several sentences in the first two and has one in the third.
"""

from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, Split, SplitSize
from finereel.io.tables import find_file, need_file, read_tabbed

PUBLISHED = {
    "train": SplitSize(None, None),
    "val": SplitSize(None, None),
    "test": SplitSize(1000, 1000),
}
FILES = {
    "train": "LSMDC16_annos_training.csv",
    "val": "LSMDC16_annos_val.csv",
    "test": "LSMDC16_challenge_1000_publictect.csv",
}
COLUMNS = ("clip", "start_aligned", "end_aligned", "start_extracted", "end_extracted", "sentence")


def load(annotations: Path) -> Dataset:
    """The splits whose files are there. DataError for files that do not parse, or none at all."""
    need_file(annotations, *FILES.values())
    found = {name: find_file(annotations, file) for name, file in FILES.items()}
    splits = {name: _read(name, path) for name, path in found.items() if path is not None}
    return Dataset(
        "lsmdc", splits, CaptionProtocol(32, 12, "single"), "val" if "val" in splits else None
    )


def _read(name: str, path: Path) -> Split:
    table = CaptionTable()
    for row in read_tabbed(path, COLUMNS):
        add = table.add_only if name == "test" else table.add
        add(row, row.name("clip"), row.text("sentence"))
    return table.split(name)
