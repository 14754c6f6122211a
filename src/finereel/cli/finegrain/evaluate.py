"""`finegrain evaluate`: any model on captions with one word changed, beside chance and what sees no
video.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.negatives.sources import CaptionsFormatOption, CaptionsOption
from finereel.cli.options import JsonOption
from finereel.cli.output import console, print_json, shown

if TYPE_CHECKING:
    from finereel.finegrain.evaluate.record import FineRecord


def evaluate(
    model: Annotated[
        str, typer.Option(metavar="DIR_OR_ID", help="A model of this project, or a CLIP directory.")
    ],
    negatives: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Negatives, in any known form.")
    ] = None,
    scorer: Annotated[
        str, typer.Option(help="finereel, sentence-transformers or embeddings.")
    ] = "finereel",
    form: Annotated[
        str | None, typer.Option("--from", metavar="F", help="The form of FILE, if not seen.")
    ] = None,
    captions: CaptionsOption = None,
    captions_format: CaptionsFormatOption = "captions",
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="The data set the captions come from.")
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its annotation files.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(metavar="DIR", help="The videos.")] = None,
    features: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Precomputed tokens, instead of videos.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The split of --data for retrieval beside, none for none; without it, test, or "
            "all where "
            "captions are in no splits.",
        ),
    ] = None,
    positives: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Hard positives, for brittleness.")
    ] = None,
    blind: Annotated[
        str, typer.Option(metavar="A,B", help="unigram, trigram, length, learned; none.")
    ] = "trigram",
    coarse_head: Annotated[
        bool, typer.Option("--coarse-head", help="Leave the fine head out, to compare.")
    ] = False,
    wrong_video: Annotated[
        bool, typer.Option(help="Also score the captions against other videos.")
    ] = True,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the record here: facts and scores.")
    ] = None,
    name: Annotated[str, typer.Option(help="What the run is called in tables.")] = "",
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="Where to compute.")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Rank every true caption among its negatives, per part of speech.

    Example: finereel finegrain evaluate --model DIR --negatives msr1ka_adverb_RE20.json --data
    msrvtt --annotations DIR --features DIR

    Beside every number: its 95 % interval by video, the share of ties, chance, what a language
    model reaches without the video, and what the same model reaches on another video. A released
    file holds negatives alone: its captions come from --data or --captions. With --data reelworld
    and no negatives, the twins are scored: text, video, group.
    """
    from finereel.cli.finegrain.request import EvaluationRequest, How, Texts, measured
    from finereel.data.sources import SourceOptions
    from finereel.finegrain.evaluate.record_files import described_fine_record, save_fine_record
    from finereel.finegrain.files.base import check_target

    if out is not None:
        check_target(out / "record.json")
    where = SourceOptions(annotations=annotations, videos=videos, features=features)
    texts = Texts(negatives, form, captions, captions_format, positives)
    how = How(_names(blind), split, not coarse_head, wrong_video, name, device)
    record = measured(EvaluationRequest(model, scorer, texts, data, where, how))
    if out is not None:
        save_fine_record(record, out)
        typer.echo(f"record in {out}", err=True)
    if as_json:
        print_json(described_fine_record(record))
    else:
        print_fine_record(record)


def _names(listed: str) -> tuple[str, ...]:
    """The names of a list with commas; none for none."""
    return tuple(name.strip() for name in listed.split(",") if name.strip() not in ("", "none"))


def print_fine_record(record: "FineRecord") -> None:
    """The table of a record and the facts below it, on stdout."""
    from finereel.finegrain.evaluate.tables import COLUMNS, TEXT_COLUMNS, fine_facts, fine_rows

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(COLUMNS):
        table.add_column(column, justify="left" if number < TEXT_COLUMNS else "right")
    for row in fine_rows(record):
        table.add_row(*row.cells, style="bold" if row.kind == "fused" else "dim")
    screen = console()
    screen.print(table)
    for line in fine_facts(record):
        screen.print(Text(shown(line)), soft_wrap=True)
