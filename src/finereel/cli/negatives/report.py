"""`negatives report`: what a file of negatives is worth."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.negatives.sources import CaptionsFormatOption, CaptionsOption, known_captions
from finereel.cli.output import JsonOption, console, print_json

if TYPE_CHECKING:
    from finereel.finegrain.report import Report, ReportSettings


def report(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Negatives in any format that `finereel negatives convert` reads."
        ),
    ],
    captions: CaptionsOption = None,
    captions_format: CaptionsFormatOption = "captions",
    form: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="F", help="Format of FILE; default: detected from its content."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also write an HTML page with plots, as one file."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Also write the tables as Markdown.")
    ] = None,
    max_words: Annotated[
        int,
        typer.Option(
            help="Number of tokens the text encoder reads, including the start and end tokens."
        ),
    ] = 32,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="A model directory whose tokenizer counts the tokens; default: CLIP's.",
        ),
    ] = None,
    grammar: Annotated[
        int,
        typer.Option(
            metavar="ROWS",
            help="Number of rows per part of speech to parse with link-parser, if it is installed.",
        ),
    ] = 200,
    as_json: JsonOption = False,
) -> None:
    """Report, per part of speech, how many negatives there are, how many are malformed, and how
    well a text-only model can spot them.

    Example: finereel negatives report negatives.jsonl --captions captions.csv --html report.html

    --captions names the captions of the whole collection: the text-only language models learn from
    its other videos, and coverage is the share of its captions that have negatives. Without it, the
    models learn from the captions of FILE by five-fold cross-validation over videos. JSON output
    has, for every part of speech, count, captions, videos, coverage, per_caption, blind_mrr,
    chance_mrr, blind_r1, chance_r1, blind_auc, learned, context, wrong_pos, nonword, truncated,
    grammar, blind and methods.
    """
    from finereel.finegrain.files import read_negatives
    from finereel.finegrain.files.base import check_target, write_text
    from finereel.finegrain.report import as_html, as_markdown

    settings = _settings(max_words, tokenizer, grammar)
    for target in filter(None, (html, markdown)):
        check_target(target, file, captions)
    known = known_captions(captions, captions_format)
    rows = read_negatives(file, form, known)
    found = _measured(rows, list(known.captions.values()), settings, file.name)
    for path, text in ((html, as_html), (markdown, as_markdown)):
        if path is not None:
            write_text([text(found)], path)
            typer.echo(f"report in {path}", err=True)
    if as_json:
        print_json(found.as_dict())
    else:
        _print(found)


def _settings(max_words: int, tokenizer: Path | None, grammar: int) -> "ReportSettings":
    from finereel.errors import ConfigError
    from finereel.finegrain.report import ReportSettings
    from finereel.finegrain.report.measure import find_grammar
    from finereel.finegrain.words.lexicon import Lexicon

    if grammar < 0:
        raise ConfigError(f"--grammar: expected a number of rows, or 0 for none, got {grammar}")
    encode = None
    if tokenizer is not None:
        from finereel.text import Tokenizer

        loaded = Tokenizer.load(tokenizer)

        def encode(text: str) -> list[int]:
            row = loaded.encode([text], max_words)
            return [int(number) for number in row.ids[0][row.mask[0]][1:-1]]

    return ReportSettings(
        max_words, encode, Lexicon.load(), find_grammar(grammar) if grammar else None
    )


def _measured(rows: list, captions: list, settings: "ReportSettings", name: str) -> "Report":  # type: ignore[type-arg]
    from finereel.cli.progress import StageBars
    from finereel.finegrain.report import report as make_report

    with StageBars() as progress:
        return make_report(rows, captions, settings, name, progress)


def _print(found: "Report") -> None:
    from finereel.finegrain.report.markdown import cells, columns, notes

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("part of speech")
    for title in columns(found).values():
        table.add_column(title, justify="right")
    for pos, values in cells(found).items():
        table.add_row(pos, *values)
    console().print(table)
    for note in notes(found):
        console().print(Text(note, style="dim"), soft_wrap=True)
