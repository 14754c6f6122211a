"""`negatives make`: make negatives of captions."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.negatives.sources import CaptionsArgument, FormatOption, caption_rows
from finereel.cli.output import JsonOption, console, print_json, shown

if TYPE_CHECKING:
    from finereel.cli.progress import StageBars
    from finereel.data.base import Caption
    from finereel.finegrain.make.generate import Summary
    from finereel.finegrain.make.settings import GeneratorSettings
    from finereel.finegrain.types import PartOfSpeech

_SMALL = 10_000
"""Captions, below which balancing has read too little (docs/results/negatives-blind.md)."""
ALL_PARTS = "noun,verb,adjective,adverb,preposition"
OutArgument = Annotated[
    Path, typer.Argument(metavar="OUT", help="JSONL file to write, one negative per line.")
]
ModeOption = Annotated[
    str,
    typer.Option(
        metavar="clean|paper|swap",
        help="clean: grammatical and false. paper: the method of the released sets. swap: two nouns "
        "or two adjectives of the caption exchanged.",
    ),
]
PerCaptionOption = Annotated[
    int,
    typer.Option(metavar="N", help="Maximum number of negatives per caption and part of speech."),
]
BalanceOption = Annotated[
    bool,
    typer.Option(
        "--balance",
        help="Keep only negatives that a text-only model cannot tell from the caption; see "
        "`finereel negatives report`.",
    ),
]
WindowOption = Annotated[
    int,
    typer.Option(
        "--max-words",
        metavar="N",
        help="Number of tokens the text encoder reads; words after them are not changed.",
    ),
]
LegacyOption = Annotated[
    bool,
    typer.Option(
        "--legacy",
        help="In paper mode, replace every occurrence of the word, as the released sets do.",
    ),
]
ProposeOption = Annotated[
    str,
    typer.Option(
        "--propose",
        metavar="SPEC",
        help="Also ask a language model for words: fill-mask:DIR or llm:MODEL@URL.",
    ),
]
ProposeCacheOption = Annotated[
    Path | None,
    typer.Option(
        "--propose-cache",
        metavar="FILE",
        help="File that caches the answers of the language model.",
    ),
]


def make(
    captions: CaptionsArgument,
    out: OutArgument,
    mode: ModeOption = "clean",
    pos: Annotated[
        str, typer.Option(metavar="POS,POS", help="Parts of speech to change, separated by commas.")
    ] = ALL_PARTS,
    per_caption: PerCaptionOption = 20,
    seed: Annotated[
        int,
        typer.Option(help="Random seed; the same captions, settings and seed give the same file."),
    ] = 0,
    balance: BalanceOption = False,
    form: FormatOption = "captions",
    max_words: WindowOption = 32,
    legacy: LegacyOption = False,
    propose: ProposeOption = "",
    propose_cache: ProposeCacheOption = None,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Number of processes; 0 means one per core.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Make fine-grained negatives: captions with one word changed so that the video contradicts
    them.

    Example: finereel negatives make captions.csv negatives.jsonl --balance

    The same captions and settings give the same file, and the same command continues a stopped run.
    JSON output has the numbers of captions and negatives, in all and for each part of speech.
    """
    from finereel.cli.progress import StageBars
    from finereel.finegrain.files.base import check_target
    from finereel.finegrain.make.settings import GeneratorSettings

    check_target(out, captions)
    settings = GeneratorSettings(
        mode=mode,
        parts_of_speech=_parts(pos),
        per_caption=per_caption,
        seed=seed,
        max_words=max_words,
        legacy=legacy,
        propose=propose,
        propose_cache=propose_cache,
    )
    with StageBars() as progress:
        summary = _make(
            lambda: caption_rows(captions, form), out, settings, _count(workers), balance, progress
        )
    if not summary.negatives:
        typer.echo(
            f"no negatives in {out}: too few captions to balance, or no word with a safe "
            "replacement",
            err=True,
        )
    elif balance and summary.captions < _SMALL:
        typer.echo(
            f"note: balancing kept {sum(summary.negatives.values()):,} negatives of "
            f"{summary.captions:,} captions, which are few: who has read many more may still tell "
            "the truth in two of "
            f"three pairs; balance {_SMALL:,} captions or more",
            err=True,
        )
    if as_json:
        print_json(summary.as_json())
    else:
        _print(summary, out)


def _make(
    read: "Callable[[], Iterable[Caption]]",
    out: Path,
    settings: "GeneratorSettings",
    workers: int,
    balanced: bool,
    progress: "StageBars",
) -> "Summary":
    from finereel.finegrain.blind.balance import BalanceSettings, require_parts
    from finereel.finegrain.make.generate import balance_file, generate

    if not balanced:
        return generate(read, out, settings, workers, progress)
    rows = list(read())
    require_parts(rows)

    def keep_some(part: Path, target: Path) -> "Summary":
        return balance_file(
            part, target, rows, BalanceSettings(size=settings.per_caption, seed=settings.seed)
        )

    return generate(lambda: rows, out, settings, workers, progress, keep_some)


def _count(workers: int) -> int:
    from finereel.errors import ConfigError

    if workers < 0:
        raise ConfigError(f"workers: expected 1 or more, or 0 for one per core, got {workers}")
    return workers or os.cpu_count() or 1


def _parts(names: str) -> "tuple[PartOfSpeech, ...]":
    from finereel.errors import unknown_name
    from finereel.finegrain.types import PARTS_OF_SPEECH

    wanted = [name.strip() for name in names.split(",")]
    for name in wanted:
        if name not in PARTS_OF_SPEECH:
            raise unknown_name("part of speech", name, PARTS_OF_SPEECH)
    return tuple(pos for pos in PARTS_OF_SPEECH if pos in wanted)


def _print(summary: "Summary", out: Path) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("part of speech", "captions", "negatives"):
        table.add_column(column, justify="left" if column == "part of speech" else "right")
    for pos, count in summary.negatives.most_common():
        table.add_row(pos, f"{summary.covered[pos]:,}", f"{count:,}")
    console().print(table)
    said = (
        f"{summary.negatives.total():,} negatives of {summary.captions:,} captions in "
        f"{shown(str(out))}"
    )
    console().print(Text(said), soft_wrap=True)
