"""`finegrain evaluate`: evaluate a model on fine-grained negatives, with chance and text-only
baselines.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.evaluate import ScorerRequest, opened_scorer, torch_device
from finereel.cli.evaluation_options import OWN
from finereel.cli.negatives.sources import CaptionsFormatOption, CaptionsOption, known_captions
from finereel.cli.output import (
    AnnotationsOption,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    RunNameOption,
    VideosOption,
    console,
    print_json,
    shown,
)
from finereel.errors import ConfigError, unknown_name

if TYPE_CHECKING:
    from finereel.cli.progress import StageBars
    from finereel.data.base import Caption, Dataset, Split
    from finereel.data.sources import SourceOptions
    from finereel.finegrain.evaluate.groups import Group
    from finereel.finegrain.evaluate.measure import FineSettings
    from finereel.finegrain.evaluate.results import FineRecord
    from finereel.finegrain.evaluate.scorer import Scorer
    from finereel.finegrain.types import Negative


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
        typer.Option(
            help="How --model is used: finereel, sentence-transformers, mteb or embeddings."
        ),
    ] = OWN,
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
    annotations: AnnotationsOption = None,
    videos: VideosOption = None,
    features: FeaturesOption = None,
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
    name: RunNameOption = "",
    device: DeviceOption = "auto",
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


# From the options of `finegrain evaluate` to a record: files are read, the model and its clips
# opened.
TWINS = "reelworld twins"


@dataclass(frozen=True)
class Texts:
    """The text files of a request: negatives (None for ReelWorld's twins), captions, hard
    positives, and the formats of the first two.
    """

    negatives: Path | None
    form: str | None
    captions: Path | None
    captions_format: str
    positives: Path | None


@dataclass(frozen=True)
class How:
    """How to evaluate.

    Attributes:
        blind: names of the text-only baselines.
        split: split for retrieval, None for the default.
        fine: whether to use the fine-grained head.
        wrong_video: whether to score the captions against wrong videos as well.
        name: name of the run.
        device: name of the device.
    """

    blind: tuple[str, ...]
    split: str | None
    fine: bool
    wrong_video: bool
    name: str
    device: str


@dataclass(frozen=True)
class EvaluationRequest:
    """One call of `finegrain evaluate`; `data` is the name of a data set or None."""

    model: str
    scorer: str
    texts: Texts
    data: str | None
    where: "SourceOptions"
    how: How


def measured(request: EvaluationRequest) -> "FineRecord":
    """Carry out a request. Raises ConfigError for options that contradict each other."""
    from finereel.finegrain.evaluate.measure import measure

    dataset = _dataset(request)
    groups, settings = _what(request, dataset)
    from finereel.cli.progress import StageBars

    with StageBars() as progress:
        scorer = _scorer(request, progress)
        return measure(scorer, groups, settings, progress)


def _dataset(request: EvaluationRequest) -> "Dataset | None":
    from finereel.data import load

    return None if request.data is None else load(request.data, request.where.annotations)


def _coarse(asked: str | None, dataset: "Dataset | None") -> "Split | None":
    """The split for retrieval."""
    if dataset is None or asked == "none":
        return None
    name = asked or dataset.tested
    if name not in dataset.splits:
        raise unknown_name(f"split of {dataset.name}", name, ("none", *dataset.splits))
    return dataset.split(name)


def _what(
    request: EvaluationRequest, dataset: "Dataset | None"
) -> "tuple[tuple[Group, ...], FineSettings]":
    from finereel.finegrain.evaluate.groups import groups_of
    from finereel.finegrain.evaluate.measure import (
        FineSettings,
        blind_baselines,
        twin_groups,
        twin_pairs,
    )

    how = request.how
    coarse = _coarse(how.split, dataset)
    settings = FineSettings(
        name=how.name,
        negatives=TWINS if request.texts.negatives is None else request.texts.negatives.name,
        wrong_video=how.wrong_video,
        coarse=coarse,
        reload_verified=True,
        device=str(torch_device(how.device)),
    )
    if request.texts.negatives is None:
        if request.data != "reelworld" or coarse is None:
            raise ConfigError(
                "give --negatives FILE; without it only the twins of --data reelworld can be scored"
            )
        pairs = twin_pairs(coarse)
        return twin_groups(pairs), replace(settings, twins=pairs)
    captions = _captions(request)
    rows = _rows(request.texts.negatives, request.texts.form, captions)
    blind = blind_baselines(rows, list(captions.values()), how.blind) if how.blind else {}
    return groups_of(rows), replace(
        settings, blind=blind, positives=_positives(request.texts.positives)
    )


def _captions(request: EvaluationRequest) -> "dict[str, Caption]":
    """Return the captions by id: those of --captions, else those of the data set."""
    texts = request.texts
    if texts.captions is None and texts.captions_format == "captions" and request.data is not None:
        return dict(known_captions(request.where.annotations, request.data).captions)
    return dict(known_captions(texts.captions, texts.captions_format).captions)


def _rows(path: Path, form: str | None, captions: "dict[str, Caption]") -> "list[Negative]":
    from finereel.finegrain.files import read_negatives
    from finereel.finegrain.files.base import Known

    return read_negatives(path, form, Known(captions))


def _positives(path: Path | None) -> dict[str, list[str]]:
    """Read hard positives by caption id from a JSONL file with the fields `caption_id` and
    `positive`.
    """
    from finereel.io.tables import read_jsonl

    found: dict[str, list[str]] = {}
    for row in () if path is None else read_jsonl(path):
        found.setdefault(row.name("caption_id"), []).append(row.raw("positive"))
    return found


def _scorer(request: EvaluationRequest, progress: "StageBars") -> "Scorer":
    how, data = request.how, request.data or "folder"
    asked = ScorerRequest(request.scorer, request.model, data, request.where, how.device, how.fine)
    return opened_scorer(asked, progress)
