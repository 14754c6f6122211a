"""`similar`: find clips that look like a video, a clip of it, or a picture."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    moment,
    print_json,
    short_path,
)
from finereel.cli.search import copies_of
from finereel.cli.table import Column, print_results
from finereel.errors import ConfigError


def similar(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="A video, in the library or not, or a picture (jpg, png, webp). With --duplicates "
            "it may be left out.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="TIME",
            help="Only the clip of the video at this time: seconds, M:SS or H:MM:SS.",
        ),
    ] = None,
    library: LibraryOption = DEFAULT_LIBRARY,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of results.")] = 10,
    per_video: Annotated[
        int, typer.Option("--per-video", min=1, help="Maximum number of results from one video.")
    ] = 1,
    duplicates: Annotated[
        bool,
        typer.Option(
            "--duplicates",
            help="Only near-duplicates: the same shots, re-encoded. Without FILE: all videos of the "
            "library that show the same shots.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find the clips that look most like FILE, the most similar first.

    Example: finereel similar holiday.mp4 --at 1:20

    `similarity` compares the frames of two clips; 1 means the same frames. What is nearly sure to
    be a copy is marked as a duplicate. Without FILE, --duplicates lists the videos of the library
    that show the same shots, group by group; no file is changed.
    """
    from finereel.index.query import seconds_of

    if file is None:
        if not duplicates or at is not None:
            raise typer.BadParameter("give a FILE, or only --duplicates for the whole library")
        _list_duplicates(library, as_json)
        return
    try:
        seconds = None if at is None else seconds_of(at)
    except ConfigError as error:
        raise typer.BadParameter(str(error), param_hint="--at") from error
    with closing(open_library(library)) as opened:
        hits = opened.similar(file.expanduser(), top, at=seconds, per_video=per_video)
    if duplicates:
        hits = [hit for hit in hits if hit.duplicate]
    if as_json:
        from finereel.index.as_json import without_picture

        print_json([without_picture(hit) for hit in hits])
        return
    if not hits:
        what = "no near-duplicate" if duplicates else "no other video"
        typer.echo(f"nothing found: the library holds {what}", err=True)
        return
    columns = [
        Column("#", tuple(str(rank) for rank in range(1, len(hits) + 1)), right=True),
        Column("video", tuple(short_path(hit.video) for hit in hits), shrinks=True),
        Column("time", tuple(f"{moment(hit.start)}-{moment(hit.end)}" for hit in hits)),
        Column("similarity", tuple(f"{hit.similarity:.3f}" for hit in hits), right=True),
        Column("", tuple("duplicate" if hit.duplicate else "" for hit in hits)),
    ]
    print_results(columns, [copies_of(hit.copies) for hit in hits])


def _list_duplicates(library: Path, as_json: bool) -> None:
    """The groups of videos that show the same shots."""
    from finereel.cli.progress import StageBars

    with closing(open_library(library)) as opened, StageBars() as progress:
        groups = opened.duplicates(on_progress=progress)
    if as_json:
        print_json([[asdict(video) for video in group] for group in groups])
        return
    if not groups:
        typer.echo("no two videos of the library show the same shots", err=True)
        return
    videos = [video for group in groups for video in group]
    numbers = [str(number) for number, group in enumerate(groups, 1) for _ in group]
    times = [
        f"{moment(video.start)}-{moment(video.end)}" if video.end else "whole" for video in videos
    ]
    columns = [
        Column("group", tuple(numbers), right=True),
        Column("video", tuple(short_path(video.video) for video in videos), shrinks=True),
        Column("time", tuple(times)),
        Column("similarity", tuple(f"{video.similarity:.3f}" for video in videos), right=True),
    ]
    print_results(columns, [copies_of(video.copies) for video in videos])
    count = sum(1 + len(video.copies) for video in videos)
    several = f"{len(groups)} group{'' if len(groups) == 1 else 's'}"
    typer.echo(f"{count} files in {several} show the same shots", err=True)
