"""ActivityNet Captions: untrimmed videos of a few minutes; the sentences of a video are joined into
one paragraph.

Files: train.json and val_1.json ({id: {"sentences": [...], ...}}). Papers test on val_1, so it is
`test` here, and there is nothing for validation: hold some of the training videos out. Ids begin
with "v_".
"""

from dataclasses import replace
from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, Split, SplitSize, paragraph
from finereel.io.tables import find_file, json_object, keyed_rows, need_file

PUBLISHED = {"train": SplitSize(10_009, 10_009), "test": SplitSize(4917, 4917)}
FILES = {"train": "train.json", "test": "val_1.json"}


def load(annotations: Path) -> Dataset:
    """The splits whose files are there. DataError for files that do not parse, or none at all."""
    need_file(annotations, *FILES.values())
    found = {name: find_file(annotations, file) for name, file in FILES.items()}
    splits = {name: _paragraphs(name, path) for name, path in found.items() if path is not None}
    return Dataset("activitynet", splits, CaptionProtocol(64, 64, "paragraph"), selection=None)


def _paragraphs(name: str, path: Path) -> Split:
    table = CaptionTable()
    for row in keyed_rows(path):
        facts = replace(row, values=json_object(path, row.values["value"], row.place))
        table.add_only(row, row.name("id"), paragraph(facts.texts("sentences")))
    return table.split(name)
