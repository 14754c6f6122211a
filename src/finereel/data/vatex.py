"""VATEX: clips of 10 s with ten English captions each, in the split of HGR: 25,991 / 1,500 / 1,500.

Captions: ref_captions.json ({id: [captions]}), or the official vatex_training_v1.0.json and
vatex_validation_v1.0.json ([{"videoID": ..., "enCap": [...], "chCap": [...]}]; the Chinese captions
are not read). Ids: train_list.txt, val_list.txt, test_list.txt, one per line, which cut the 3,000
official validation videos into val and test. Without any list, the official files are the splits
`train` and `validation`. Ids end in start and end second.
"""

from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, Split, SplitSize
from finereel.data.msvd import captions_by_key
from finereel.io.tables import find_file, json_rows, need_file, read_ids, read_json

PUBLISHED = {
    "train": SplitSize(25_991, 259_910),
    "val": SplitSize(1500, 15_000),
    "test": SplitSize(1500, 15_000),
}
OFFICIAL = {"train": "vatex_training_v1.0.json", "validation": "vatex_validation_v1.0.json"}
MERGED = "ref_captions.json"
LISTS = {name: f"{name}_list.txt" for name in PUBLISHED}


def load(annotations: Path) -> Dataset:
    """The splits whose files are there. DataError for files that do not parse, or none at all."""
    need_file(annotations, MERGED, *OFFICIAL.values())
    merged, listings = (
        find_file(annotations, MERGED),
        {n: find_file(annotations, f) for n, f in LISTS.items()},
    )
    splits: dict[str, Split] = {}
    if merged is not None:
        need_file(annotations, *LISTS.values())
        table = captions_by_key(merged)
    else:
        table, splits = _official(annotations)
    listed = {
        name: table.listed(name, read_ids(path))
        for name, path in listings.items()
        if path is not None
    }
    splits = listed or splits
    return Dataset(
        "vatex", splits, CaptionProtocol(32, 12, "multiple"), "val" if "val" in splits else None
    )


def _official(annotations: Path) -> tuple[CaptionTable, dict[str, Split]]:
    """The captions of both official files in one table, and each file as a split."""
    every, splits = CaptionTable(), {}
    for name, file in OFFICIAL.items():
        path, own = find_file(annotations, file), CaptionTable()
        if path is None:
            continue
        for row in json_rows(path, read_json(path)):
            video = row.name("videoID")
            own.claim(row, video)
            for text in row.texts("enCap"):
                own.add(row, video, text)
                every.add(row, video, text)
        splits[name] = own.split(name)
    return every, splits
