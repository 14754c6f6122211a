"""`compression`: what tokens in fewer bytes cost, for a library or a model."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from finereel.cli.output import (
    AnnotationsOption,
    DeviceOption,
    FeaturesOption,
    JsonOption,
    VideosOption,
    console,
    print_json,
)

if TYPE_CHECKING:
    from finereel.data.sources import SourceOptions
    from finereel.evaluation.compression import FormatResult, Measured
    from finereel.models.retrieval import RetrievalModel

_SEED = 1
"""Of the scenes of ReelWorld."""


def compression(
    target: Annotated[
        str,
        typer.Argument(
            metavar="LIBRARY|MODEL",
            help="The folder of a library, or a model: a directory, bundled name or hub id.",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="NAME",
            help="For a model: the data set; `finereel data check --help` lists the names.",
        ),
    ] = "reelworld",
    annotations: AnnotationsOption = None,
    videos: VideosOption = None,
    features: FeaturesOption = None,
    split: Annotated[str, typer.Option(help="The split to measure on.")] = "test",
    scenes: Annotated[
        int, typer.Option(min=1, help="Number of rendered scenes, each with its twins.")
    ] = 100,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For a library: queries, one per line (or .json, .jsonl, .csv). [default: 400 "
            "everyday captions]",
        ),
    ] = None,
    device: DeviceOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Measure what tokens in fewer bytes cost: bytes per clip against retrieval and word order.

    Example: finereel compression reelworld-tiny

    For a model: R@1 with its 95 % interval over videos, the share of the ten best clips that stay,
    and on ReelWorld the accuracy on twins, which differ in one word, per part of speech. For a
    library, where no right answers are known: how many of the ten best clips stay.
    """
    from finereel.index.presence import is_library

    if is_library(Path(target).expanduser()):
        _of_library(Path(target).expanduser(), queries, as_json)
        return
    from finereel.cli.evaluate import torch_device
    from finereel.cli.opening import check_model
    from finereel.cli.progress import StageBars
    from finereel.data.sources import SourceOptions
    from finereel.evaluation.compression import measure_formats
    from finereel.models.saving import load as load_model

    if queries is not None:
        raise typer.BadParameter("--queries asks a library; a model is measured on --data")
    check_model(target)
    model = load_model(target).to(torch_device(device))
    where = SourceOptions(annotations=annotations, videos=videos, features=features)
    with StageBars() as progress:
        measured = _measured(model, data, (split, scenes), where, progress)
        results = measure_formats(model, measured, progress)
    facts = {"model": model.fingerprint, "data": data, "split": split}
    if as_json:
        counts = {"texts": len(measured.text), "clips": len(measured.video)}
        print_json({**facts, **counts, "formats": [result.as_dict() for result in results]})
        return
    _print_results(results)
    typer.echo(f"{len(measured.text)} texts, {len(measured.video)} clips of {data}, {split}")


def _measured(
    model: "RetrievalModel",
    data: str,
    what: tuple[str, int],
    where: "SourceOptions",
    progress: Any,
) -> "Measured":
    """What formats are measured on. what: split and number of scenes."""
    from finereel.cli.evaluate import clip_source
    from finereel.data import load as load_dataset
    from finereel.evaluation.compression import Measured
    from finereel.evaluation.gallery import encode_split
    from finereel.evaluation.reelworld import encode_world, make_world

    split, scenes = what
    if data == "reelworld" and where.annotations is None and where.features is None:
        world = make_world(split, scenes, _SEED, model.num_frames, model.encoder.image_size)
        return Measured.of_world(world, encode_world(model, world, progress))
    dataset = load_dataset(data, where.annotations)
    source = clip_source(model, data, where, progress)
    return Measured.of_split(encode_split(model, dataset.split(split), source, progress))


def _print_results(results: "Sequence[FormatResult]") -> None:
    """A row per format; twins as group accuracy."""
    parts = list(results[0].twins)
    headings = ("tokens", "KiB per clip", "R@1", "95 % interval", "change", "95 % interval")
    rows = []
    for result in results:
        low, high = result.change_interval.low, result.change_interval.high
        rows.append(
            [
                result.tokens,
                f"{result.bytes_per_clip / 1024:.1f}",
                f"{result.r1:.1f}",
                f"{result.interval.low:.1f} to {result.interval.high:.1f}",
                f"{result.change:+.2f}",
                f"{low:+.2f} to {high:+.2f}",
                f"{result.overlap:.3f}",
                *(f"{result.twins[part].group.percent:.1f}" for part in parts),
            ]
        )
    _print_table((*headings, "top ten", *parts), rows)


def _print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "tokens" else "right")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def _of_library(folder: Path, queries: Path | None, as_json: bool) -> None:
    from finereel.cli.captions import read_captions
    from finereel.cli.opening import open_library
    from finereel.cli.progress import StageBars

    texts = None if queries is None else read_captions(queries)
    with closing(open_library(folder)) as library, StageBars() as progress:
        results = library.compare_formats(texts, progress)
    if as_json:
        print_json({"library": str(folder), "formats": [result.as_dict() for result in results]})
        return
    rows = [
        [
            result.tokens + (" (now)" if result.stored else ""),
            f"{result.bytes_per_clip / 1024:.1f}",
            f"{result.overlap:.3f}",
            f"{result.best:.1%}",
        ]
        for result in results
    ]
    _print_table(("tokens", "KiB per clip", "top ten", "best clip the same"), rows)
