"""`explain`: why a clip was found, word by word, and where it shows them."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finereel.cli.opening import open_library
from finereel.cli.output import (
    DEFAULT_LIBRARY,
    JsonOption,
    LibraryOption,
    moment,
    print_json,
    short_path,
    shown,
)
from finereel.cli.search import PICTURES, notes_on_stderr
from finereel.cli.table import Column, print_results
from finereel.errors import QueryError

if TYPE_CHECKING:
    from finereel.index.explain import Evidence


def explain(
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="What was searched for, in quotes.")
    ] = None,
    hit: Annotated[
        str | None,
        typer.Argument(
            metavar="HIT",
            help="The number of a result of `finereel search QUERY`, or a video of the library, "
            "with @SECONDS for one moment of it.",
        ),
    ] = None,
    library: LibraryOption = DEFAULT_LIBRARY,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="FILE",
            help="Also draw the frame, its place and the words to FILE (.png, .jpg or .webp).",
        ),
    ] = None,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Instead measure on made videos how far a model's evidence is true."
        ),
    ] = False,
    model: Annotated[
        str, typer.Option("--model", metavar="DIR_OR_ID", help="The model for --check.")
    ] = "reelworld-tiny",
    scenes: Annotated[
        int, typer.Option("--scenes", min=2, help="Number of made videos for --check.")
    ] = 100,
    as_json: JsonOption = False,
) -> None:
    """Tell why a clip fits QUERY: the parts of its score, each word, and where the clip shows it.

    Example: finereel explain "a red car drives away" 1 --picture why.png

    A word is supported or contradicted only where the model has shown that it can tell such words
    apart; otherwise it is undecided, and not checked where no word excludes it.
    """
    if check:
        _check(model, scenes, as_json)
        return
    if query is None or hit is None:
        raise typer.BadParameter(
            'expected a QUERY and a HIT, such as: finereel explain "a red car" 1'
        )
    if picture is not None and picture.suffix.lower() not in PICTURES:
        raise typer.BadParameter(
            f"the file must end in one of {', '.join(PICTURES)}, got {str(picture)!r}",
            param_hint="--picture",
        )
    video, seconds = address_of(hit)
    with closing(open_library(library)) as opened, notes_on_stderr():
        evidence = opened.explain(query, video, seconds)
    if picture is not None:
        if evidence.picture is None:
            raise QueryError(f"nothing to draw: {'; '.join(evidence.notes)}")
        from finereel.cli.evidence_picture import draw_evidence

        draw_evidence(evidence, picture, PICTURES[picture.suffix.lower()])
    if as_json:
        from finereel.index.as_json import evidence_as_json

        print_json(evidence_as_json(evidence))
    else:
        _print(evidence)


def address_of(hit: str) -> tuple[int | Path, float | None]:
    """What HIT names: a rank, or a video and a time.

    >>> address_of("3"), address_of("a@b.mp4@12.5"), address_of("a@b.mp4")[1]
    ((3, None), (PosixPath('a@b.mp4'), 12.5), None)
    """
    if hit.isascii() and hit.isdigit() and not Path(hit).exists():
        if int(hit) < 1:
            raise QueryError(f"expected a rank from 1, got {hit}")
        return int(hit), None
    name, mark, time = hit.rpartition("@")
    try:
        seconds = float(time) if mark and not Path(hit).exists() else None
    except ValueError:
        seconds = None
    return (Path(hit), None) if seconds is None else (Path(name), seconds)


def _print(evidence: "Evidence") -> None:
    hit = evidence.hit
    typer.echo(f"{shown(short_path(hit.video))}  {moment(hit.start)}-{moment(hit.end)}")
    parts = ", ".join(f"{name.replace('_', '-')} {part:.3f}" for name, part in hit.parts.items())
    typer.echo(f"score {hit.score:.3f} = {parts}")
    if evidence.words:
        typer.echo()
        words = evidence.words
        print_results(
            [
                Column("word", tuple(word.word for word in words), shrinks=True),
                Column("kind", tuple(word.pos for word in words)),
                Column("verdict", tuple(word.said for word in words)),
                Column("swap", tuple(_number(word.swap) for word in words), right=True),
                Column("drop", tuple(_number(word.drop) for word in words), right=True),
            ]
        )
    for place in evidence.places:
        box = place.box
        typer.echo(
            f"{shown(place.word)!r} is at {moment(place.seconds)}, {box.left:.0%} to "
            f"{box.right:.0%} from the left and {box.top:.0%} to {box.bottom:.0%} from the top"
        )
    for note in evidence.notes:
        typer.echo(f"note: {shown(note)}", err=True)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:+.2f}"


def _check(name: str, scenes: int, as_json: bool) -> None:
    from finereel.cli.progress import StageBars
    from finereel.index.faithfulness import check
    from finereel.models.saving import load

    with StageBars() as bars:
        found = check(load(name), scenes, bars)
    if as_json:
        print_json(found)
        return
    typer.echo(f"{found['model']} on {scenes} made videos of the split test")
    for line in check_lines(found):
        typer.echo(line)


def check_lines(found: dict[str, Any]) -> list[str]:
    """The numbers of a check, one line each."""
    lines = [
        f"{pos}: swap AUROC {row['auroc']:.2f}, {row['pair_accuracy']:.0f} % of pairs right, "
        f"{row['true']} true words"
        for pos, row in found["words"].items()
    ]
    for pos, verdicts in found["true_words"].items():
        total = sum(verdicts.values())
        shares = ", ".join(f"{count / total:.0%} {name}" for name, count in verdicts.items())
        lines.append(f"{pos}, {total} true words: {shares}")
    if "places" not in found:
        return [*lines, f"places: {found['no_places']}"]
    rows = found["places"]
    return [
        *lines,
        f"deletion AUC {rows['deletion']:.2f}, in random order {rows['deletion_random']:.2f}",
        f"insertion AUC {rows['insertion']:.2f}, in random order {rows['insertion_random']:.2f}",
        f"better than random in {rows['better_than_random']:.0%} of the videos",
        f"pointing {rows['pointing']:.2f}, by chance {rows['pointing_by_chance']:.2f}",
        f"boxes shown for the main noun in {rows['boxes_shown']:.0%}",
        f"random maps refused in {rows['random_maps_refused']:.0%}",
    ]
