"""What the commands on negatives share: the captions they start from, or those that a file of
negatives speaks of.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from finereel.data.base import Caption
    from finereel.finegrain.files.base import Known
    from finereel.finegrain.types import Change

NO_FILES = Path("-")
CaptionsArgument = Annotated[
    Path,
    typer.Argument(
        metavar="CAPTIONS",
        help="A CSV or JSONL of id, video_id, caption; or see --format. - where a data set needs "
        "no files (reelworld).",
    ),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="captions, or the data set whose annotations CAPTIONS holds.",
    ),
]
CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        metavar="PATH",
        help="The true captions: a CSV or JSONL of id, video_id, caption; or the folder of a data "
        "set.",
    ),
]
CaptionsFormatOption = Annotated[
    str,
    typer.Option(
        "--captions-format",
        metavar="NAME",
        help="captions, or the data set whose annotations --captions names: msrvtt, vln_uvo, vatex "
        "and so on.",
    ),
]


def known_captions(
    path: Path | None, form: str = "captions", pos: "Change | None" = None
) -> "Known":
    """What a reader of negatives is told: the captions, read where some are named, and the part of
    speech.
    """
    from finereel.data.sources import captions_by_id
    from finereel.finegrain.files.base import Known

    if path is None and form == "captions":
        return Known({}, pos)
    from finereel.data.sources import captions_of

    return Known(captions_by_id(captions_of(path, form)), pos)


def caption_rows(captions: Path, form: str, split: str | None = None) -> "Iterator[Caption]":
    """The captions that CAPTIONS and --format name, in order. Raises ConfigError for `-` in the
    wrong place.
    """
    from finereel.data import VIRTUAL
    from finereel.data.sources import captions_of
    from finereel.errors import ConfigError

    if captions == NO_FILES:
        if form not in VIRTUAL:
            raise ConfigError(
                f"- stands for no files, which {', '.join(VIRTUAL)} can do with; {form} needs a "
                "path"
            )
        return captions_of(None, form, split)
    if form in VIRTUAL and not captions.exists():
        raise ConfigError(
            f"{captions} does not exist; for the {form} that needs no files write - in its place"
        )
    return captions_of(captions, form, split)
