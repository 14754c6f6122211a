"""`finegrain evaluate`: evaluate a model on fine-grained negatives, with chance and text-only
baselines.
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
        str,
        typer.Option(
            metavar="DIR_OR_ID",
            help="A model directory, bundled name, CLIP directory or, with another --scorer, what that"
            " takes.",
        ),
    ],
    negatives: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Negatives in any format that `finereel negatives convert` reads."
        ),
    ] = None,
    scorer: Annotated[
        str,
        typer.Option(help="How --model is used: finereel, sentence-transformers or embeddings."),
    ] = "finereel",
    form: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="F", help="Format of FILE; default: detected from its content."
        ),
    ] = None,
    captions: CaptionsOption = None,
    captions_format: CaptionsFormatOption = "captions",
    data: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The data set the captions and videos come from."),
    ] = None,
    annotations: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Annotation files of the data set.")
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Videos of the data set.")
    ] = None,
    features: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Precomputed tokens to use instead of videos."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The split of --data on which to measure retrieval as well, or none. Default: "
            "test, or all if the data set has no splits.",
        ),
    ] = None,
    positives: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Paraphrases of the captions, to measure brittleness."),
    ] = None,
    blind: Annotated[
        str,
        typer.Option(
            metavar="A,B",
            help="Text-only baselines, separated by commas: unigram, trigram, length, learned, "
            "context; or none.",
        ),
    ] = "trigram",
    coarse_head: Annotated[
        bool,
        typer.Option(
            "--coarse-head",
            help="Score with the main head even if the model has a fine-grained head.",
        ),
    ] = False,
    wrong_video: Annotated[
        bool, typer.Option(help="Also score the captions against wrong videos.")
    ] = True,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to save the record in: facts and scores."),
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the run in tables.")] = "",
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|cuda", help="Device to compute on.")
    ] = "auto",
    as_json: JsonOption = False,
) -> None:
    """Rank each true caption among its negatives, per part of speech.

    Example: finereel finegrain evaluate --model DIR --negatives msr1ka_adverb_RE20.json --data
    msrvtt --annotations DIR --features DIR

    The table shows a 95 % interval computed over videos, the share of ties, chance, a text-only
    language model, and the same model on a wrong video. The released files contain no captions;
    these come from --data or --captions. With --data reelworld and no negatives, the twins are
    scored by text, video and group accuracy.
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
