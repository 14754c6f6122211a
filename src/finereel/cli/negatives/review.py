"""`negatives review`: people read negatives, and what two of them said is measured."""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.negatives.sources import CaptionsFormatOption, CaptionsOption, known_captions
from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.finegrain.files.base import Known
    from finereel.finegrain.review.agreement import RaterAgreement, Share
    from finereel.finegrain.review.verdicts import Item, Judgement, Sampling


@dataclass(frozen=True)
class _Review:
    """What is read, by whom, and where its videos are."""

    file: Path
    items: "tuple[Item, ...]"
    videos: Mapping[str, Path]
    rater: str
    as_json: bool

    def tell(self, told: Mapping[str, Any], text: str) -> None:
        """The outcome: a JSON value on stdout, or one line on stderr."""
        if self.as_json:
            print_json(told)
        else:
            typer.echo(shown(text), err=True)


def review(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Negatives in any format that `finereel negatives convert` reads."
        ),
    ],
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the videos; each file is named by its video id."
        ),
    ] = None,
    rater: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the rater; default: the page asks for it.")
    ] = "",
    sample: Annotated[
        int,
        typer.Option(
            help="Number of negatives per part of speech, sampled at random; 0 takes all."
        ),
    ] = 100,
    seed: Annotated[
        int,
        typer.Option(
            help="Random seed of the sample and its order; use the same seed for all raters of a "
            "review."
        ),
    ] = 0,
    form: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="F", help="Format of FILE; default: detected from its content."
        ),
    ] = None,
    captions: CaptionsOption = None,
    captions_format: CaptionsFormatOption = "captions",
    port: Annotated[
        int, typer.Option(help="Port of the local web page; 0 takes a free port.")
    ] = 8765,
    export: Annotated[
        Path | None,
        typer.Option(
            metavar="HTML",
            help="Write the page with still images to one HTML file instead of serving it.",
        ),
    ] = None,
    frames: Annotated[int, typer.Option(help="Still images per video in the exported page.")] = 6,
    agreement: Annotated[
        tuple[str, str] | None,
        typer.Option(metavar="A B", help="Compare two raters, given by names or verdict files."),
    ] = None,
    summary: Annotated[
        str | None,
        typer.Option(
            metavar="A", help="Count the verdicts of one rater, given by name or verdict file."
        ),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option(
            "--import", metavar="JSON", help="Import verdicts from a JSON export of Label Studio."
        ),
    ] = None,
    export_label_studio: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON", help="Write tasks for Label Studio and its labelling interface (.xml)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge negatives one by one on a local web page: valid, also true, ungrammatical or unsure.

    Example: finereel negatives review negatives.jsonl --videos clips --rater anna

    The page needs `pip install 'finereel[serve]'` and is reachable from this machine only. Every
    verdict is saved at once to FILE.verdicts-NAME.jsonl, and the same command continues where you
    stopped. Raters do not see each other's verdicts. --export writes a stand-alone page instead,
    which keeps the verdicts in the browser and offers them for download.
    """
    from finereel.finegrain.review.verdicts import Sampling

    instead = {
        "--export": export,
        "--import": import_,
        "--export-label-studio": export_label_studio,
    }
    _one_at_most({**instead, "--agreement": agreement, "--summary": summary})
    if agreement is not None:
        _compare(file, agreement, as_json)
        return
    if summary is not None:
        _summarise(file, summary, as_json)
        return
    _check_target(export or export_label_studio, file, captions)
    items = _items(file, form, known_captions(captions, captions_format), Sampling(sample, seed))
    found = _Review(file, items, _videos(videos, items), rater, as_json)
    if export is not None:
        _export(found, export, frames)
    elif import_ is not None:
        _import(found, import_)
    elif export_label_studio is not None:
        _export_tasks(found, export_label_studio)
    else:
        _serve(found, port)


def _one_at_most(options: Mapping[str, object]) -> None:
    from finereel.errors import ConfigError

    asked = [name for name, value in options.items() if value is not None]
    if len(asked) > 1:
        raise ConfigError(f"expected one of these at a time, got {' and '.join(asked)}")


def _check_target(target: Path | None, *sources: Path | None) -> None:
    from finereel.finegrain.files.base import check_target

    if target is not None:
        check_target(target, *sources)


def _items(file: Path, form: str | None, known: "Known", choice: "Sampling") -> "tuple[Item, ...]":
    from finereel.finegrain.files import iter_negatives
    from finereel.finegrain.review.verdicts import review_items

    count = 0

    def counted() -> Any:
        nonlocal count
        for row in iter_negatives(file, form, known):
            count += 1
            yield row

    items = review_items(counted(), choice)
    drawn = (
        f", at most {choice.sample} per part of speech drawn with seed {choice.seed}"
        if choice.sample
        else ""
    )
    typer.echo(f"{len(items):,} of {count:,} negatives{drawn}", err=True)
    return items


def _videos(folder: Path | None, items: "tuple[Item, ...]") -> dict[str, Path]:
    from finereel.data.videos import find_videos

    if folder is None:
        return {}
    ids = list(dict.fromkeys(item.row.video_id for item in items))
    found = find_videos(folder, ids)
    if len(found) < len(ids):
        missing = next(video for video in ids if video not in found)
        typer.echo(
            shown(f"{len(ids) - len(found)} of {len(ids)} videos not found, first {missing}"),
            err=True,
        )
    return found


def _serve(found: _Review, port: int) -> None:
    from finereel.cli.opening import needing
    from finereel.finegrain.review.session import ReviewSession

    with needing("serve", "`finereel negatives review`"):
        from finereel.finegrain.review.server import make_server

    with (
        closing(ReviewSession(found.items, found.videos, found.file, found.rater)) as session,
        make_server(session, port) as server,
    ):
        found.tell(
            {"url": server.url, "items": len(found.items)},
            f"read at {server.url}; Ctrl-C stops, nothing is lost",
        )
        server.run()
        for rater, count in session.judged().items():
            typer.echo(
                f"{rater}: {count} of {len(found.items)} judged, in "
                f"{shown(str(session.log(rater).path))}",
                err=True,
            )


def _export(found: _Review, out: Path, frames: int) -> None:
    from finereel.cli.progress import StageBars
    from finereel.errors import ConfigError
    from finereel.finegrain.files.base import write_text
    from finereel.finegrain.review.page import PageSettings, make_page, media_key, stills
    from finereel.finegrain.review.verdicts import rater_name

    if frames < 1:
        raise ConfigError(f"frames must be at least 1, got {frames}")
    media: dict[str, tuple[str, ...]] = {}
    with StageBars() as progress:
        for done, (video, path) in enumerate(found.videos.items(), 1):
            taken = stills(path, frames)
            if taken:
                media[media_key(video)] = taken
            progress("taking stills", done, len(found.videos))
    rater = rater_name(found.rater) if found.rater else ""
    page = make_page(found.items, media, PageSettings("static", found.file.stem, rater))
    write_text([page.html.decode("ascii")], out)
    told = {
        "page": str(out),
        "items": len(found.items),
        "videos": len(media),
        "bytes": len(page.html),
    }
    found.tell(
        told, f"{out}: {len(found.items)} items, {len(media)} videos, {len(page.html):,} bytes"
    )


def _export_tasks(found: _Review, out: Path) -> None:
    from finereel.finegrain.review.label_studio import export_tasks

    root = _common_folder(found.videos)
    below = {video: path.resolve().relative_to(root) for video, path in found.videos.items()}
    tasks, interface = export_tasks(found.items, below, out)
    told: dict[str, Any] = {
        "tasks": str(tasks),
        "interface": str(interface),
        "items": len(found.items),
    }
    told |= {"document_root": str(root)} if below else {}
    root_told = (
        f"; serve videos with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={root}" if below else ""
    )
    pasted = f"paste {interface} into the project's labelling interface"
    found.tell(told, f"{tasks}: {len(found.items)} tasks; {pasted}{root_told}")


def _common_folder(videos: Mapping[str, Path]) -> Path:
    """The deepest folder that holds all videos."""
    folders = [str(path.resolve().parent) for path in videos.values()]
    return Path(os.path.commonpath(folders)) if folders else Path()


def _import(found: _Review, source: Path) -> None:
    from finereel.errors import ConfigError
    from finereel.finegrain.review.label_studio import read_annotations
    from finereel.finegrain.review.verdicts import current

    given = read_annotations(source, found.items)
    if found.rater and len(given) > 1:
        raise ConfigError(f"--rater names one rater, the file has {', '.join(given)}: leave it out")
    kept = {
        found.rater or rater: _keep(found.file, found.rater or rater, steps)
        for rater, steps in given.items()
    }
    told = {
        rater: {"file": str(log.path), "verdicts": len(current(log.events))}
        for rater, log in kept.items()
    }
    found.tell(
        told,
        "; ".join(
            f"{rater}: {facts['verdicts']} verdicts in {facts['file']}"
            for rater, facts in told.items()
        ),
    )


def _keep(file: Path, rater: str, steps: "list[Judgement]") -> Any:
    """The rater's verdict file with the steps it did not hold yet."""
    from dataclasses import replace

    from finereel.finegrain.review.verdicts import open_log

    with open_log(file, rater) as log:
        for step in steps:
            log.add(replace(step, rater=log.rater))
    return log


def _verdicts(file: Path, who: str) -> "dict[str, Judgement]":
    """Read the verdicts of a file, or those of a rater by name."""
    from finereel.finegrain.review.verdicts import read_verdicts, verdict_path

    return read_verdicts(Path(who) if Path(who).is_file() else verdict_path(file, who))


def _compare(file: Path, raters: tuple[str, str], as_json: bool) -> None:
    from finereel.finegrain.review.agreement import agreements, disagreements, shares

    first, second = (_verdicts(file, who) for who in raters)
    found = agreements(first, second)
    said = {who: shares(given.values()) for who, given in zip(raters, (first, second), strict=True)}
    differing = disagreements(first, second)
    if not as_json:
        print_agreement(found, said, len(differing))
        return
    listed = [
        {"item": a.item, "id": a.id, "pos": a.pos, "verdicts": [a.verdict, b.verdict]}
        for a, b in differing
    ]
    print_json(
        {
            "agreement": {name: one.as_json() for name, one in found.items()},
            "raters": {who: _as_json(given) for who, given in said.items()},
            "disagreements": listed,
        }
    )


def _summarise(file: Path, who: str, as_json: bool) -> None:
    from finereel.errors import DataError
    from finereel.finegrain.review.agreement import shares

    said = shares(_verdicts(file, who).values())
    if not said:
        raise DataError(f"{who} has no verdicts yet: finereel negatives review {file} --rater NAME")
    if as_json:
        print_json(_as_json(said))
    else:
        print_summary(who, said)


def _as_json(said: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {
        pos: {verdict: share.as_json() for verdict, share in given.items()}
        for pos, given in said.items()
    }


# What two raters said, as tables on stdout.
Said = Mapping[str, "Mapping[str, Share]"]


def print_agreement(
    found: "Mapping[str, RaterAgreement]", said: Mapping[str, Said], differing: int
) -> None:
    """Kappa per part of speech, the confusion over all of them, and what each rater said."""
    from finereel.finegrain.review.agreement import ALL
    from finereel.finegrain.review.verdicts import VERDICTS

    out = console()
    table = _table("part of speech", ("items", "agreed", "95 % interval", "kappa"))
    for name, one in found.items():
        kappa = "undefined" if one.kappa is None else f"{one.kappa:.3f}"
        table.add_row(name, f"{one.agreed.total:,}", *_cells(one.agreed), kappa)
    out.print(table)
    if any(one.kappa is None for one in found.values()):
        out.print("kappa is undefined where both raters gave one and the same verdict throughout")
    names = list(said)
    for name, one in found.items():
        if (
            name != ALL
            and sum(map(bool, map(sum, one.confusion))) < 2
            and one.agreed.count == one.agreed.total
        ):
            continue  # one cell: the table above says it
        out.print()
        out.print(Text(shown(f"{name}: rows {names[0]}, columns {names[-1]}")))
        counts = _table("", tuple(VERDICTS))
        for verdict, row in zip(VERDICTS, one.confusion, strict=True):
            counts.add_row(verdict, *map(str, row))
        out.print(counts)
    for who, given in said.items():
        out.print()
        print_summary(who, given)
    if differing:
        out.print(f"\n{differing} items to talk about; --json lists them")


def print_summary(who: str, said: Said) -> None:
    """How often a rater gave each verdict, with 95 % intervals, per part of speech."""
    from finereel.finegrain.review.verdicts import VERDICTS

    out = console()
    out.print(Text(shown(f"{who}: share of each verdict, 95 % interval")))
    table = _table("part of speech", ("items", *VERDICTS))
    for name, given in said.items():
        cells = (f"{share} ({between})" for share, between in map(_cells, given.values()))
        table.add_row(name, f"{next(iter(given.values())).total:,}", *cells)
    out.print(table)


def _table(first: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first)
    for column in columns:
        table.add_column(column.replace("_", " "), justify="right")
    return table


def _cells(share: "Share") -> tuple[str, str]:
    low, high = share.interval
    return f"{share.value:.1%}", f"{low:.1%} to {high:.1%}"
