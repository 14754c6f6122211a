"""`status`, `doctor`, `remove`, `tag`, `feedback`, `migrate`, `normalize`: inspect and maintain a library."""

from contextlib import closing
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.captions import read_captions
from finereel.cli.index import TokenFormatName
from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    console,
    library_option,
    print_json,
    shown,
)
from finereel.cli.search import notes_on_stderr

_ENOUGH_CAPTIONS = 100


def status(library: LibraryOption = DEFAULT_LIBRARY, as_json: JsonOption = False) -> None:
    """Show what the library holds: videos, clips, failed files, size and model."""
    report = open_library(library).status()
    if as_json:
        print_json(asdict(report))
        return
    from finereel.models.choice import which_model

    table = Table(box=None, show_header=False, pad_edge=False)
    for field in fields(report):
        value = getattr(report, field.name)
        if field.name in ("migration", "note", "preset") and not value:
            continue
        if field.name == "model":
            value = which_model(value, library_option(library))
        table.add_row(field.name.replace("_", " "), Text(shown(_readable(field.name, value))))
    console().print(table)


def doctor(
    library: LibraryOption = DEFAULT_LIBRARY,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read every stored clip and verify its checksums.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Keep every intact clip, move damaged files to quarantine, and list the videos to"
            " index again.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List files that could not be indexed, with the reason, and any damage to the library."""
    if repair:
        _repair(library, as_json)
        return
    opened = open_library(library)
    problems = opened.doctor(verify=True) if verify else opened.doctor()
    if as_json:
        print_json([asdict(problem) for problem in problems])
        return
    if not problems:
        typer.echo("no problems")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("error", overflow="fold")
    for problem in problems:
        table.add_row(
            Text(shown(problem.path)), Text(shown(problem.error.removeprefix(f"{problem.path}: ")))
        )
    console().print(table)


def _repair(library: Path, as_json: bool) -> None:
    report = open_library(library).repair()
    if as_json:
        print_json(asdict(report))
        return
    typer.echo(f"{report.clips} clips are intact and kept, {report.dropped} were dropped")
    for line in report.mended:
        typer.echo(shown(line))
    if report.set_aside:
        typer.echo(
            shown(
                f"{len(report.set_aside)} damaged files are set aside in "
                f"{Path(library) / 'quarantine'}"
            )
        )
    if report.dropped:
        typer.echo(
            "index again (`finereel index` of their folders does these, and videos whose names "
            "could not be read):"
        )
    for video in report.videos:
        typer.echo(shown(video))


def remove(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Videos, or folders of videos.")
    ],
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Remove them only this time: the next `finereel index` of their folder may add "
            "them again.",
        ),
    ] = False,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Remove videos from the library and exclude them from later runs. No video file is deleted.

    Indexing their folder does not add them again; `finereel index PATH` with the same PATH does.
    `finereel status` lists the excluded paths.
    """
    removed = open_library(library).remove(paths, exclude=not once)
    if as_json:
        print_json({"removed": removed})
    if not removed:
        typer.echo("nothing removed: the library holds no video at or below these paths", err=True)
        raise typer.Exit(1)
    if as_json:
        return
    typer.echo(
        f"removed {removed} video{'' if removed == 1 else 's'} from the library; the files are "
        "untouched"
    )
    if not once:
        typer.echo(
            "index excludes them from now on; to add them again, name them: finereel index PATH",
            err=True,
        )


def tag(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Videos, or folders of videos.")
    ],
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The tag; capital and small letters are the same.")
    ],
    remove: Annotated[bool, typer.Option("--remove", help="Take the tag away instead.")] = False,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Tag videos, so that `finereel search --tag NAME` finds only them.

    Example: finereel tag ~/Videos/norway "summer 2025"
    """
    videos = open_library(library).tag(paths, [name], remove=remove)
    if as_json:
        print_json({"videos": videos})
    if not videos:
        typer.echo("no tag changed: the library holds no video at or below these paths", err=True)
        raise typer.Exit(1)
    if not as_json:
        done = "now without" if remove else "now with"
        typer.echo(f"{videos} video{'' if videos == 1 else 's'} {done} the tag {shown(name)}")


def feedback(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="What was searched for.")],
    clip: Annotated[
        str,
        typer.Argument(
            metavar="CLIP",
            help="A video of the library, of which the best clip is meant; or the clip_id that "
            "`search --json` prints.",
        ),
    ],
    judgement: Annotated[
        str, typer.Argument(metavar="yes|no", help="Whether the clip shows what was searched for.")
    ],
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Tell whether a clip is what you searched for; it stays in the library's folder.

    From 50 judgements of 25 queries on, `search` also tells how often such an answer is right.

    Example: finereel feedback "a dog jumps" ~/Videos/dog.mp4 yes
    """
    if judgement not in ("yes", "no"):
        raise typer.BadParameter(f"expected yes or no, got {judgement!r}", param_hint="yes|no")
    with closing(open_library(library)) as opened, notes_on_stderr():
        learnt = opened.feedback(query, clip, judgement == "yes")
    if as_json:
        print_json(asdict(learnt))
        return
    count = f"{learnt.judged} judgement{'' if learnt.judged == 1 else 's'} so far"
    if learnt.before is None or learnt.after is None:
        typer.echo(f"{count}; 50 of 25 queries, 10 of each kind, are needed to learn from them")
        return
    used = "is used" if learnt.scaling is not None else "is not used, as it predicts no better"
    typer.echo(
        f"{count}; what they teach {used}: log loss {learnt.before:.3f} without, "
        f"{learnt.after:.3f} with it"
    )


def migrate(
    tokens: Annotated[
        TokenFormatName | None,
        typer.Option(
            "--tokens",
            show_default="the library's own",
            help="Also keep tokens in fewer bits per number, as if the library had been indexed so.",
        ),
    ] = None,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Bring a library of a former version up to date, without encoding anything again.

    It reads the date, length, size and codecs of every video, which the filters of `finereel
    search` need, and its subtitles, and stores what searches read in the form in which the model
    reads it. Searching works meanwhile. You can interrupt it at any time; the same command
    continues.
    """
    opening = open_library(library)
    from finereel.cli.progress import StageBars

    with closing(opening) as opened, StageBars() as bars:
        report = opened.migrate(tokens=None if tokens is None else tokens.value, on_progress=bars)
    if as_json:
        print_json(asdict(report))
    else:
        typer.echo(
            f"read what {report.videos} video{'' if report.videos == 1 else 's'} "
            f"{'is' if report.videos == 1 else 'are'} in {report.seconds:.1f} s; nothing was "
            "encoded again"
        )
        if report.clips:
            typer.echo(
                f"stored {report.clips} clip{'' if report.clips == 1 else 's'} anew, with "
                "tokens as the model reads them"
            )
    if report.skipped:
        typer.echo(
            f"{report.skipped} could not be read, or changed since they were indexed: see finereel "
            "doctor, and index again",
            err=True,
        )
    if report.interrupted:
        typer.echo("stopped; nothing lost: run the same command again to go on", err=True)
        raise typer.Exit(130)


def normalize(
    captions: Annotated[
        Path | None,
        typer.Option(
            "--captions",
            metavar="FILE",
            help="A few hundred texts like your queries: one per line, or a .json, .jsonl or .csv "
            "file.",
        ),
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Remove the normalization and search with plain scores.")
    ] = False,
    library: LibraryOption = DEFAULT_LIBRARY,
    as_json: JsonOption = False,
) -> None:
    """Lower the scores of clips that match almost every query, estimated from a set of captions.

    The normalization is fitted once, stored with the library and used by every later search. It
    also covers clips added later.
    """
    if off == (captions is not None):
        raise typer.BadParameter("give either --captions FILE or --off")
    bank = [] if captions is None else read_captions(captions)
    opened = open_library(library)
    if captions is None:
        opened.remove_normalization()
        protocol = "none"
    else:
        if len(set(bank)) < _ENOUGH_CAPTIONS:
            typer.echo(
                f"note: {len(set(bank))} different captions are few to estimate which clips "
                "match every query; use a few hundred. `finereel normalize --off` undoes this",
                err=True,
            )
        protocol = opened.fit_normalization(bank)
    if as_json:
        print_json({"normalization": protocol})
        return
    typer.echo(f"normalization: {protocol}")


def _readable(name: str, value: object) -> str:
    if name == "bytes" and isinstance(value, int):
        return f"{value / 1e6:.1f} MB"
    if name == "clip_seconds" and isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
