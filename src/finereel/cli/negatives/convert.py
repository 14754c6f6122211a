"""`negatives convert`: convert a file of negatives to another format."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.negatives.sources import CaptionsFormatOption, CaptionsOption, known_captions
from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.finegrain.types import Change, Negative

_STEP = 1000


def convert(
    source: Annotated[Path, typer.Argument(metavar="IN", help="File of negatives to read.")],
    out: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="File to write; it is written completely or not at all."
        ),
    ],
    form: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="F", help="Format of IN; default: detected from its content."
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="F",
            help="jsonl, released, thesis, sugarcrepe, sugarcrepe_pp, aro, vitatecs, velociti, "
            "contrast or negclip.",
        ),
    ] = "jsonl",
    captions: CaptionsOption = None,
    captions_format: CaptionsFormatOption = "captions",
    pos: Annotated[
        str | None,
        typer.Option(
            metavar="POS", help="Keep only negatives of this part of speech, such as adverb."
        ),
    ] = None,
    read_as: Annotated[
        str | None,
        typer.Option(
            "--read-as",
            metavar="POS",
            help="Part of speech of the negatives in IN, if IN does not state it.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Convert a file of negatives to another format.

    Example: finereel negatives convert msr1ka_adverb_RE20.json adverbs.jsonl --captions MSRVTT
    --captions-format msrvtt

    The released files contain no captions, so name the captions as well. The native format (jsonl)
    keeps all other fields, so that converting there and back gives the same file. JSON output has
    from, to, negatives, captions, videos and pos.
    """
    from finereel.finegrain.files import iter_negatives, recognise, write_negatives
    from finereel.finegrain.files.base import check_target

    check_target(out, source, captions)
    known = known_captions(captions, captions_format, _change(read_as))
    form = form or recognise(source)
    counts = _Counts()
    wanted = _change(pos)
    rows = (
        row for row in iter_negatives(source, form, known) if wanted is None or row.pos == wanted
    )
    write_negatives(_counted(rows, counts, source), out, to)
    if as_json:
        print_json({"from": form, "to": to, **counts.as_json()})
    else:
        counts.print(form, to, out)


class _Counts:
    """What went through."""

    def __init__(self) -> None:
        self.pos: Counter[str] = Counter()
        self.captions: set[str] = set()
        self.videos: set[str] = set()

    def add(self, row: "Negative") -> None:
        self.pos[row.pos] += 1
        self.captions.add(row.caption_id)
        self.videos.add(row.video_id)

    def as_json(self) -> dict[str, object]:
        numbers = {
            "negatives": self.pos.total(),
            "captions": len(self.captions),
            "videos": len(self.videos),
        }
        return {**numbers, "pos": dict(self.pos.most_common())}

    def print(self, form: str, to: str, out: Path) -> None:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in ("part of speech", "negatives"):
            table.add_column(column, justify="right" if column == "negatives" else "left")
        for pos, count in self.pos.most_common():
            table.add_row(pos, f"{count:,}")
        console().print(table)
        said = (
            f"{form} to {to}: {self.pos.total():,} negatives of {len(self.captions):,} captions "
            f"in {shown(str(out))}"
        )
        console().print(Text(said), soft_wrap=True)


def _counted(rows: "Iterable[Negative]", counts: _Counts, source: Path) -> "Iterator[Negative]":
    from finereel.cli.progress import bar

    with bar() as progress:
        task = progress.add_task("converting", total=_lines(source), note="")
        for number, row in enumerate(rows, 1):
            counts.add(row)
            if number % _STEP == 0:
                progress.update(task, completed=number)
            yield row


def _lines(path: Path) -> int | None:
    """How many lines a JSONL file has, which are negatives; None for other files."""
    if path.suffix.lower() != ".jsonl":
        return None
    with path.open("rb") as file:
        return sum(1 for _ in file)


def _change(name: str | None) -> "Change | None":
    from finereel.errors import unknown_name
    from finereel.finegrain.types import CHANGES

    if name is not None and name not in CHANGES:
        raise unknown_name("part of speech", name, CHANGES)
    return name
