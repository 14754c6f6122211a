"""Options that the commands on negatives share: which captions are the true ones, for files that do not hold them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from finereel.negatives.files.base import Known
    from finereel.negatives.types import Change

CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        metavar="PATH",
        help="The true captions: a CSV or JSONL of id, video_id, caption; or the folder of a data set.",
    ),
]
CaptionsFormatOption = Annotated[
    str,
    typer.Option(
        "--captions-format",
        metavar="NAME",
        help="captions, or the data set whose annotations --captions names: msrvtt, vln_uvo, vatex and so on.",
    ),
]


def known_captions(path: Path | None, form: str = "captions", pos: "Change | None" = None) -> "Known":
    """What a reader of negatives is told: the captions, read where some are named, and the part of speech."""
    from finereel.negatives.captions import captions_by_id
    from finereel.negatives.files.base import Known

    if path is None and form == "captions":
        return Known({}, pos)
    from finereel.sources import captions_of

    return Known(captions_by_id(captions_of(path, form)), pos)
