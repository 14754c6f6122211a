"""Options and readers for captions, shared by the commands on negatives."""

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
        help="A CSV or JSONL file with id, video_id and caption; or the annotations of the data "
        "set that --format names; or - for a data set that needs no files (reelworld).",
    ),
]
FormatOption = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Format of CAPTIONS: captions for a CSV or JSONL file, or the name of a data set.",
    ),
]
CaptionsOption = Annotated[
    Path | None,
    typer.Option(
        "--captions",
        metavar="PATH",
        help="The true captions: a CSV or JSONL file with id, video_id and caption, or the "
        "annotations of the data set that --captions-format names.",
    ),
]
CaptionsFormatOption = Annotated[
    str,
    typer.Option(
        "--captions-format",
        metavar="NAME",
        help="Format of --captions: captions for a CSV or JSONL file, or a data set such as "
        "msrvtt, vln_uvo or vatex.",
    ),
]


def known_captions(
    path: Path | None, form: str = "captions", pos: "Change | None" = None
) -> "Known":
    """Return what a reader of negatives needs to know: the captions, if any are named, and the part
    of speech.
    """
    from finereel.data.sources import captions_by_id
    from finereel.finegrain.files.base import Known

    if path is None and form == "captions":
        return Known({}, pos)
    from finereel.data.sources import captions_of

    return Known(captions_by_id(captions_of(path, form)), pos)


def caption_rows(captions: Path, form: str, split: str | None = None) -> "Iterator[Caption]":
    """Yield the captions that CAPTIONS and --format name, in order. Raises ConfigError if `-` is
    given for a data set that needs files.
    """
    from finereel.data import VIRTUAL
    from finereel.data.sources import captions_of
    from finereel.errors import ConfigError

    if captions == NO_FILES:
        if form not in VIRTUAL:
            raise ConfigError(
                f"- means no files, which only {', '.join(VIRTUAL)} allows; {form} needs a path"
            )
        return captions_of(None, form, split)
    if form in VIRTUAL and not captions.exists():
        raise ConfigError(
            f"{captions} does not exist; for the {form} that needs no files write - in its place"
        )
    return captions_of(captions, form, split)
