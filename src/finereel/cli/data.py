"""`data check`: check that a data set is complete before training on it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.output import (
    AnnotationsOption,
    JsonOption,
    VideosOption,
    console,
    print_json,
    shown,
)

if TYPE_CHECKING:
    from finereel.data.check import CheckReport


# `data tokens`: the vision tower's tokens of every clip of a data set, so that training need not
# run it again.
def tokens(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="The data set; `finereel data check --help` lists the names."
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="Folder to write the tokens to; the same command continues a stopped run.",
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="DIR_OR_ID",
            help="The model whose vision tower computes the tokens.",
        ),
    ],
    annotations: AnnotationsOption = None,
    videos: VideosOption = None,
    frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames per clip; default: as many as the model takes."),
    ] = None,
) -> None:
    """Encode every readable clip of a data set and save its frame and patch tokens.

    Training on saved tokens keeps the vision tower frozen and takes minutes instead of hours on a
    CPU. Use the same --model:

    finereel train --recipe NAME --model DIR_OR_ID --features OUT --out RUN
    """
    from finereel.cli.progress import StageBars
    from finereel.data import load as load_dataset
    from finereel.data.sources import SourceOptions, open_source
    from finereel.data.token_cache import cache_tokens
    from finereel.errors import ModelError
    from finereel.models.saving import load as load_model

    towers = load_model(model)
    if not towers.encoder.takes_pixels:
        raise ModelError(
            f"model {model} takes precomputed tokens: give the model whose vision backbone is to make them"
        )
    data = load_dataset(name, annotations)
    wanted = list(dict.fromkeys(video for split in data.splits.values() for video in split.videos))
    where = SourceOptions(
        annotations,
        videos,
        num_frames=frames or towers.num_frames,
        image_size=towers.encoder.image_size,
        preprocessing=towers.encoder.preprocessing,
    )
    with StageBars() as progress:
        source = open_source(name, where, progress)
        problems = source.problems(wanted)
        readable = [video for video in wanted if video not in problems]
        cache_tokens(towers, readable, source, out, progress)
    typer.echo(
        f"tokens of {len(readable)} clips in {out}; {len(problems)} could not be read", err=True
    )


LISTED = 10


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The data set: msrvtt, msvd, didemo, activitynet, vatex, lsmdc, vln_uvo, "
            "vln_oops, flickr8k, msrvtt_frames, everyday, folder or reelworld.",
        ),
    ],
    annotations: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Annotation files of the data set (for folder: a .csv or .jsonl file, or its "
            "folder).",
        ),
    ] = None,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Videos of the data set; without it, only the annotations are read."
        ),
    ] = None,
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="One folder with annotations and videos; the two options above take precedence.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the videos and captions of a data set and list missing or unreadable videos.

    Each video is read up to its first frame. Results of two runs are comparable if the hashes of
    their splits agree. JSON output has splits (videos, captions and hash of each), missing,
    unreadable, reasons, videos_checked and warnings.

    Missing or unreadable videos do not count as an error: the exit status is 0, and 1 only if the
    annotations cannot be parsed.
    """
    report = _check_with_progress(name, annotations or root, videos or root)
    if as_json:
        print_json(report.as_json())
        return
    _print(report)


COMMANDS: dict[str, Callable[..., None]] = {"check": check, "tokens": tokens}


def _check_with_progress(name: str, annotations: Path | None, videos: Path | None) -> "CheckReport":
    from finereel.cli.progress import bar
    from finereel.data.check import check as check_dataset

    with bar() as progress:
        task = progress.add_task("reading videos", total=None, note="", visible=False)

        def draw(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total, visible=True)

        return check_dataset(name, annotations, videos, draw)


def _print(report: "CheckReport") -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("split", "videos", "captions", "hash"):
        table.add_column(column, justify="right" if column in ("videos", "captions") else "left")
    for split, facts in report.splits.items():
        table.add_row(Text(shown(split)), f"{facts.videos:,}", f"{facts.captions:,}", facts.hash)
    out.print(table)
    for warning in report.warnings:
        out.print(Text.assemble(("note", "yellow"), f" {shown(warning)}"), soft_wrap=True)
    if report.missing is None or report.unreadable is None:
        out.print("videos not checked: name their folder with --videos or --root")
        return
    _print_list("missing", list(report.missing))
    _print_list("unreadable", [f"{video}: {reason}" for video, reason in report.unreadable.items()])
    if not report.missing and not report.unreadable:
        out.print("every video is there and gives its first frame")


def _print_list(what: str, lines: list[str]) -> None:
    out = console()
    for line in lines[:LISTED]:
        out.print(Text.assemble((what, "red"), f" {shown(line)}"), soft_wrap=True)
    if len(lines) > LISTED:
        out.print(f"{what}: {len(lines):,} in all; --json lists every one")
