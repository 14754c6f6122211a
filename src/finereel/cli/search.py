"""`search`: find clips by text. `describe`: rank captions for a video."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finereel.cli.captions import read_captions
from finereel.cli.guard import printable
from finereel.cli.opening import open_library
from finereel.cli.options import DEFAULT_LIBRARY, JsonOption, LibraryOption
from finereel.cli.output import moment, print_json, short_path
from finereel.cli.results import Column, part_columns, print_results

if TYPE_CHECKING:
    from finereel.types import Hit

_PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def search(
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT", help="What happens in the clip, in plain English; quotes are optional."
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of results.")] = 10,
    per_video: Annotated[
        int, typer.Option("--per-video", min=1, help="Maximum number of results from one video.")
    ] = 1,
    within: Annotated[
        list[Path] | None,
        typer.Option(
            "--in", metavar="PATH", help="Only in this folder or file; may be given several times."
        ),
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Also draw the best five clips to FILE (.png, .jpg or .webp).",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the clips in which TEXT happens, best first.

    Example: finereel search "a man folds a paper plane" --top 5 --in ~/Videos/holiday

    The column `best` gives the time of the best frame. The columns after the score are its parts
    and add up to it: the whole clip compared with the sentence, its frames with the sentence, and
    its image patches with single words.
    """
    from finereel.text.query import checked_query

    query = checked_query(" ".join(text))
    if picture is not None and picture.suffix.lower() not in _PICTURES:
        known = ", ".join(_PICTURES)
        raise typer.BadParameter(
            f"the file must end in one of {known}, got {str(picture)!r}", param_hint="--picture"
        )
    opened = open_library(library)
    with _notes_on_stderr():
        hits = opened.search(query, top=top, per_video=per_video, within=within or ())
    if picture is not None:
        from finereel.cli.contact_sheet import ContactSheetRow, draw_contact_sheet

        draw_contact_sheet(
            [ContactSheetRow(query, hits)], picture, kind=_PICTURES[picture.suffix.lower()]
        )
    if as_json:
        print_json(
            [
                {key: value for key, value in asdict(hit).items() if key != "thumbnail"}
                for hit in hits
            ]
        )
        return
    if not hits:
        typer.echo(
            "nothing found: the library has no clips yet; add some with: finereel index PATH",
            err=True,
        )
        return
    _print_hits(hits)
    if len(hits) < top and per_video < top:
        most = f"{per_video} moment{'' if per_video == 1 else 's'}"
        typer.echo(f"{most} of each video; more of them with: --per-video {top}", err=True)


def _print_hits(hits: Sequence["Hit"]) -> None:
    columns = [
        Column("#", tuple(str(rank) for rank in range(1, len(hits) + 1)), right=True),
        Column("video", tuple(short_path(hit.video) for hit in hits), shrinks=True),
        Column("time", tuple(f"{moment(hit.start)}-{moment(hit.end)}" for hit in hits)),
        Column("best", tuple(moment(hit.best_frame) for hit in hits), extra=True),
        Column("score", tuple(f"{hit.score:.3f}" for hit in hits), right=True),
        *part_columns([hit.parts for hit in hits]),
    ]
    print_results(columns, [_copies(hit) for hit in hits])


def _copies(hit: "Hit") -> str:
    """The other files with the content of a hit."""
    if not hit.copies:
        return ""
    count = f"{len(hit.copies)} cop{'y' if len(hit.copies) == 1 else 'ies'}"
    return f"and {count}: {', '.join(map(short_path, hit.copies))}"


@contextmanager
def _notes_on_stderr() -> Iterator[None]:
    """What the library remarks about a query, one line each."""
    logger, handler = logging.getLogger("finereel"), _NoteHandler()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _NoteHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        typer.echo(f"note: {printable(record.getMessage())}", err=True)


def describe(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video, in the library or not.")],
    captions: Annotated[
        Path,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="One caption per line; or .json (a list), .jsonl or .csv (field 'caption'); - is "
            "standard input.",
        ),
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Rank the captions of FILE by how well they describe VIDEO, best first.

    Example: finereel describe holiday.mp4 --captions ideas.txt
    """
    choices = read_captions(captions)
    with closing(open_library(library)) as opened:
        hits = opened.describe(video, choices)
    if as_json:
        print_json([asdict(hit) for hit in hits])
        return
    columns = [
        Column("#", tuple(str(rank) for rank in range(1, len(hits) + 1)), right=True),
        Column("caption", tuple(hit.caption for hit in hits), shrinks=True),
        Column("score", tuple(f"{hit.score:.3f}" for hit in hits), right=True),
        *part_columns([hit.parts for hit in hits]),
    ]
    print_results(columns)
