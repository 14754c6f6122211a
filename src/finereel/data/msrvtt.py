"""MSR-VTT: 9k or 7k training videos with 20 captions each, tested on the 1,000 pairs of 1k-A.

Files: MSRVTT_data.json (all captions), MSRVTT_train.9k.csv and MSRVTT_train.7k.csv (ids),
MSRVTT_JSFUSION_test.csv (1k-A: one caption per video). `test_20` are the videos of 1k-A with all
their captions, "video7960#7" and so on, which is how the published hard negatives name them.

There is no split for validation: the 497 videos that MSR-VTT itself calls so are part of both
training lists (the 7k list has 7,010 videos: 6,513 and these 497). Hold some of the training videos
out.
"""

from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, Split, SplitSize
from finereel.io.tables import (
    find_file,
    json_object,
    json_rows,
    need_file,
    read_csv,
    read_json,
    unique,
)

PUBLISHED = {
    "train_9k": SplitSize(9000, 180_000),
    "train_7k": SplitSize(7010, 140_200),
    "test": SplitSize(1000, 1000),
    "test_20": SplitSize(1000, 20_000),
}
CAPTIONS, TEST = "MSRVTT_data.json", "MSRVTT_JSFUSION_test.csv"
TRAIN = {"train_9k": "MSRVTT_train.9k.csv", "train_7k": "MSRVTT_train.7k.csv"}


def load(annotations: Path) -> Dataset:
    """The splits whose files are there. DataError for files that do not parse, or none at all."""
    need_file(annotations, CAPTIONS, TEST)
    test, captions = find_file(annotations, TEST), find_file(annotations, CAPTIONS)
    splits: dict[str, Split] = {}
    if captions is not None:
        table = _all_captions(captions)
        for name, file in TRAIN.items():
            listing = find_file(annotations, file)
            if listing is not None:
                splits[name] = table.listed(
                    name, unique(read_csv(listing, ["video_id"]), "video_id"), "video_id"
                )
    if test is not None:
        splits["test"] = _pairs(test)
        if captions is not None:
            splits["test_20"] = table.listed("test_20", read_csv(test, ["video_id"]), "video_id")
    if not splits:
        need_file(annotations, TEST, *TRAIN.values())
    return Dataset(
        "msrvtt",
        splits,
        CaptionProtocol(max_words=32, max_frames=12, texts="single"),
        selection=None,
    )


def _all_captions(path: Path) -> CaptionTable:
    whole, table, numbers = json_object(path, read_json(path)), CaptionTable(), set()
    for row in json_rows(path, whole.get("sentences"), "sentences"):
        number = row.values.get("sen_id")
        if number is not None and str(number) in numbers:
            raise row.error(f"sen_id {str(number)[:20]} was listed already; remove one of the two")
        numbers.add(str(number))
        table.add(row, row.name("video_id"), row.text("caption"))
    return table


def _pairs(path: Path) -> Split:
    table = CaptionTable()
    for row in read_csv(path, ["key", "video_id", "sentence"]):
        table.add_only(row, row.name("video_id"), row.text("sentence"), row.name("key"))
    return table.split("test")
