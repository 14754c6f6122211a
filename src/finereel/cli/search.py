"""`search`: words to clips. `describe`: a clip's video to the captions that fit it."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from finereel.cli.captions import read_captions
from finereel.cli.options import DEFAULT_LIBRARY, JsonOption, LibraryOption
from finereel.cli.output import PartsTable, clock, print_json, short_path


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What happens in it, in plain English.")],
    library: LibraryOption = DEFAULT_LIBRARY,
    top: Annotated[int, typer.Option("--top", min=1, help="How many results.")] = 10,
    per_video: Annotated[int, typer.Option("--per-video", min=1, help="At most so many results of one video.")] = 1,
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Also draw the best five as a PNG.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the clips in which TEXT happens, best first.

    Example: finereel search "a man folds a paper plane" --top 5

    Columns after the score are its parts: the whole clip against the sentence, the best frames against the sentence,
    the best patches against single words. They add up to the score.
    """
    from finereel.library import Library

    hits = Library.open(library).search(text, top=top, per_video=per_video)
    if picture is not None:
        from finereel.cli.sheet import SheetRow, draw_sheet

        draw_sheet([SheetRow(text, hits)], picture)
    if as_json:
        print_json([{key: value for key, value in asdict(hit).items() if key != "thumbnail"} for hit in hits])
        return
    if not hits:
        typer.echo("nothing found: the library has no clips yet; add some with: finereel index PATH", err=True)
        return
    table = PartsTable(["video", "time"], [hit.parts for hit in hits])
    for hit in hits:
        table.add([short_path(hit.video), f"{clock(hit.start)}-{clock(hit.end)}"], hit.score, hit.parts)
    table.print()


def describe(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, in the library or not.")],
    captions: Annotated[
        Path,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="One caption per line; or .json (a list), .jsonl or .csv (field 'caption'); - is standard input.",
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Rank the captions of FILE by how well they describe VIDEO, best first.

    Example: finereel describe holiday.mp4 --captions ideas.txt
    """
    from finereel.library import Library

    choices = read_captions(captions)
    with closing(Library.open(library)) as opened:
        hits = opened.describe(video, choices)
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    table = PartsTable(["caption"], [hit.parts for hit in hits])
    for hit in hits:
        table.add([hit.caption], hit.score, hit.parts)
    table.print()
