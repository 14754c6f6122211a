"""VLN-UVO and VLN-OOPS: Video Localized Narratives, one caption per actor of a video.

Files: captions.txt, lines `id**#**caption` with ids `VIDEO##*##K`; vln_UVO_train.txt and
vln_UVO_val.txt (vln_OOPS_...) list the videos of the two splits. Without these lists everything is
the split `all`. Results are reported on val, so it must not choose a checkpoint: hold some of the
training videos out.
"""

from dataclasses import replace
from functools import partial
from pathlib import Path

from finereel.data.base import CaptionProtocol, CaptionTable, Dataset, SplitSize
from finereel.io.tables import find_file, need_file, quoted, read_ids, read_lines

PUBLISHED_UVO = {"all": SplitSize(8269, 18_873)}
PUBLISHED_OOPS: dict[str, SplitSize] = {}
CAPTIONS, LIST = "captions.txt", "vln_{}_{}.txt"
BETWEEN, BEFORE_NUMBER = "**#**", "##*##"


def load(source: str, annotations: Path) -> Dataset:
    """The narratives of a source, "UVO" or "OOPS". DataError for lines of another form and for ids
    that stand twice.
    """
    path, table = need_file(annotations, CAPTIONS), CaptionTable()
    for row in read_lines(path):
        name, mark, text = row.values["line"].partition(BETWEEN)
        video, number_mark, _ = name.rpartition(BEFORE_NUMBER)
        if not (mark and number_mark):
            raise row.error(
                f"expected VIDEO{BEFORE_NUMBER}K{BETWEEN}caption, got {quoted(row.values['line'])}"
            )
        parts = replace(row, values={"video": video, "id": name, "caption": text})
        table.add(row, parts.name("video"), parts.text("caption"), parts.name("id"))
    found = {name: find_file(annotations, LIST.format(source, name)) for name in ("train", "val")}
    splits = {
        name: table.listed(name, read_ids(path)) for name, path in found.items() if path is not None
    }
    whole = {"all": table.split("all")}
    return Dataset(
        f"vln_{source.lower()}",
        splits or whole,
        CaptionProtocol(32, 12, "multiple"),
        selection=None,
    )


load_uvo = partial(load, "UVO")
load_oops = partial(load, "OOPS")
