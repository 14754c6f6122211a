"""`evaluate`: a model on a data set, with everything a result must carry."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.table import Table
from rich.text import Text

from finereel.cli.evaluation_options import OWN, EvaluationOptions
from finereel.cli.option_groups import with_options
from finereel.cli.output import console, print_json, shown

if TYPE_CHECKING:
    from finereel.data.base import ClipSource, Dataset
    from finereel.data.sources import SourceOptions
    from finereel.evaluation.evaluate import BenchmarkSettings
    from finereel.evaluation.record import RunRecord
    from finereel.finegrain.evaluate.scorer import ClipNeeds, Scorer
    from finereel.models.retrieval import RetrievalModel

_UNTOLD = 0.25
"""Where half of the queries are right and the interval of that share is wider than this, which is
so below 58 videos, a split tells no two usual models apart.
"""


@with_options(EvaluationOptions)
def evaluate(asked: EvaluationOptions) -> None:
    """Measure text-to-video and video-to-text retrieval of a model on a data set.

    Example: finereel evaluate --model reelworld-tiny --data reelworld

    Every row has a 95 % interval, the normalization's protocol (which data it has seen) and the
    coverage. Videos that cannot be read are left out with their captions; such a result cannot be
    compared with published results of the benchmark.

    With --data qvhighlights, charades or fiftyone (temporal detections) it measures how well moments
    are found: R1@0.5, R1@0.7 and mAP. --annotations is the folder of the set's own files, and --out
    gets the moments in the form of a QVHighlights submission.
    """
    settings = asked.settings()
    if asked.moments:
        _measure_moments(asked)
        return
    if asked.scores is not None:
        record = _measure_scores(asked.scores, asked, settings)
    elif asked.scorer == OWN:
        record = _measure(asked, settings)
    else:
        record = _measure_scorer(asked, settings)
    _finish(record, asked.out, asked.as_json)
    if asked.calibrate:
        _calibrate(asked.named_model, record)


def _finish(record: "RunRecord", out: Path | None, as_json: bool) -> None:
    """Keep a record where that was asked for, and print it."""
    from finereel.evaluation.record_files import described_record, save_record

    if out is not None:
        save_record(record, out)
        typer.echo(f"record in {out}; compare it with: finereel compare RUN {out}", err=True)
    if as_json:
        print_json(described_record(record))
    else:
        print_record(record)


def _measure_scores(
    file: Path, asked: EvaluationOptions, settings: "BenchmarkSettings"
) -> "RunRecord":
    """Measure a matrix of scores; DataError for a file that is none."""
    from dataclasses import replace

    import numpy as np

    from finereel.data import load as load_dataset
    from finereel.errors import DataError
    from finereel.evaluation.evaluate import given_scores, record_scores

    dataset = load_dataset(asked.data, asked.annotations)
    settings = _on_split(settings, dataset)
    try:
        matrix = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{file} cannot be read as a matrix of numbers ({error}): write it with numpy.save"
        ) from error
    scored, made = given_scores(dataset.split(settings.split), np.asarray(matrix), file.stem)
    return record_scores(dataset, scored, made, replace(settings, reload_verified=False))


def _calibrate(model_name: str, record: "RunRecord") -> None:
    """Fit how often the best hit is right, keep that with the model, and say how good it is."""
    from finereel.index.calibration import fit_calibration, keep_calibration

    assert record.scores is not None
    scores = record.scores["text_to_video"]
    data = f"{record.dataset.name}/{record.dataset.split}"
    fitted = fit_calibration(scores.matrix, scores.right, data)
    file = keep_calibration(fitted, model_name, record.model.fingerprint)
    typer.echo(
        f"a right answer is told from a wrong one in {fitted.auroc:.1%} of pairs; "
        f"{fitted.fpr95:.0%} of the wrong ones pass a limit that keeps 95 % of the right ones; "
        f"calibration error {fitted.ece:.3f}; kept in {file}",
        err=True,
    )


def _measure_moments(asked: EvaluationOptions) -> None:
    """Measure moments and print the metrics."""
    from contextlib import closing

    from finereel.cli.progress import StageBars
    from finereel.data.moment_files import read_moments, write_predictions
    from finereel.index.moment_benchmark import measure_moments
    from finereel.models.saving import load as load_model
    from finereel.video.reader import DiskSource

    data, split, out = asked.data, asked.split or "test", asked.out
    if asked.annotations is None or asked.videos is None:
        raise typer.BadParameter(f"{data} needs --annotations DIR and --videos DIR")
    queries = read_moments(data, asked.annotations, split)
    model = load_model(asked.named_model).to(torch_device(asked.device))
    with StageBars() as progress, closing(DiskSource()) as source:
        result = measure_moments(model, queries, asked.videos, source, progress)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        write_predictions(out / "moments.jsonl", result.found)
        typer.echo(f"moments in {out / 'moments.jsonl'}", err=True)
    facts = {"data": data, "split": split, "model": model.fingerprint}
    counts = {"queries": len(result.found), "queries_of_split": len(queries)}
    if asked.as_json:
        told = {"metrics": result.metrics, "intervals": result.intervals}
        print_json({**facts, **counts, **told, "missing": result.missing})
        return
    for name, value in result.metrics.items():
        low, high = result.intervals[name]
        typer.echo(f"{name:7} {value:5.1f} ({low:.1f} to {high:.1f})")
    typer.echo(f"{len(result.found)} of {len(queries)} queries of {data}, {split}")
    if result.missing:
        typer.echo(f"{len(result.missing)} videos could not be read", err=True)


def _on_split(settings: "BenchmarkSettings", dataset: "Dataset") -> "BenchmarkSettings":
    """The settings with a split that the data set has; ConfigError lists those there are."""
    from dataclasses import replace

    chosen = settings.split or dataset.tested
    dataset.split(chosen)
    return replace(settings, split=chosen)


def _measure(asked: EvaluationOptions, settings: "BenchmarkSettings") -> "RunRecord":
    from finereel.cli.progress import StageBars
    from finereel.data import load as load_dataset
    from finereel.evaluation.evaluate import evaluate as evaluate_model
    from finereel.models.saving import load as load_model

    dataset = load_dataset(asked.data, asked.annotations)
    settings = _on_split(settings, dataset)
    model = load_model(asked.named_model).to(torch_device(asked.device))
    with StageBars() as progress:
        source = clip_source(model, asked.data, asked.where, progress)
        return evaluate_model(model, dataset, source, settings, progress)


@dataclass(frozen=True)
class ScorerRequest:
    """Which model answers, how it is used, and where the clips are. fine: as of `Opening`."""

    kind: str
    model: str
    data: str
    where: "SourceOptions"
    device: str
    fine: bool = True


def opened_scorer(asked: ScorerRequest, progress: Any) -> "Scorer":
    """The model as a scorer. ModelError for one that takes tokens where there are none."""
    from dataclasses import replace

    from finereel.data.sources import open_source
    from finereel.errors import ModelError
    from finereel.finegrain.evaluate.scorer import Opening
    from finereel.finegrain.evaluate.scorers import open_scorer

    def clips(needs: "ClipNeeds") -> "ClipSource":
        if needs.tokens_only and asked.where.features is None:
            raise ModelError(f"model {asked.model} takes precomputed tokens: give --features DIR")
        fitting = replace(
            asked.where,
            num_frames=needs.num_frames,
            image_size=needs.image_size,
            preprocessing=needs.preprocessing,
        )
        return open_source(asked.data, fitting, progress)

    device = str(torch_device(asked.device))
    return open_scorer(asked.kind, asked.model, Opening(clips, device, asked.fine))


def _measure_scorer(asked: EvaluationOptions, settings: "BenchmarkSettings") -> "RunRecord":
    """Measure a model of another program by its scores alone."""
    import time
    from dataclasses import replace

    from finereel.cli.progress import StageBars
    from finereel.data import load as load_dataset
    from finereel.evaluation.evaluate import ScoredBy, record_scores

    dataset, started = load_dataset(asked.data, asked.annotations), time.monotonic()
    settings = _on_split(settings, dataset)
    split = dataset.split(settings.split)
    with StageBars() as progress:
        request = ScorerRequest(
            asked.scorer, asked.named_model, asked.data, asked.where, asked.device
        )
        scorer = opened_scorer(request, progress)
        scored = scorer.score_split(split, progress)
    made = ScoredBy(scorer.facts, scorer.description, str(torch_device(asked.device)))
    plain = replace(settings, reload_verified=False)
    return record_scores(dataset, scored, made, plain, seconds=time.monotonic() - started)


def clip_source(
    model: "RetrievalModel", data: str, where: "SourceOptions", progress: Any
) -> "ClipSource":
    """The data set's clips at the model's size. A CLIP model takes pictures, or the tokens of its
    own vision tower (`finereel data tokens`); ModelError for a model of another backbone's tokens
    without them.
    """
    from dataclasses import replace

    from finereel.data.sources import open_source
    from finereel.errors import ModelError

    if not model.encoder.takes_pixels and where.features is None:
        raise ModelError(f"model {model.name} takes precomputed tokens: give --features DIR")
    fitting = replace(where, num_frames=model.num_frames)
    if model.encoder.takes_pixels:
        shown = model.encoder.preprocessing
        fitting = replace(fitting, image_size=model.encoder.image_size, preprocessing=shown)
    return open_source(data, fitting, progress)


def torch_device(name: str) -> Any:
    """The device that an option names; ConfigError for other names and for a missing
    accelerator.
    """
    import torch

    from finereel.errors import ConfigError, unknown_name

    if name not in ("auto", "cpu", "cuda"):
        raise unknown_name("device", name, ("auto", "cpu", "cuda"))
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here: take --device cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def print_record(record: "RunRecord") -> None:
    """A table of both directions and all granularities, and the facts below it, on stdout."""
    columns = (
        "direction",
        "score",
        "R@1",
        "95 % interval",
        "R@5",
        "R@10",
        "MdR",
        "MnR",
        "ties",
        "protocol",
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(
            column, justify="left" if column in ("direction", "score", "protocol") else "right"
        )
    for direction, rows in record.results.items():
        for name, row in reversed(list(rows.items())):
            low, high = row["intervals"].get("R@1", (float("nan"), float("nan")))
            numbers = [f"{row[metric]:.1f}" for metric in ("R@5", "R@10", "MdR", "MnR")]
            cells = [direction, name, f"{row['R@1']:.1f}", f"{low:.1f} to {high:.1f}", *numbers]
            table.add_row(
                *cells,
                f"{row['tie_share']:.1%}",
                row["protocol"],
                style="bold" if name == "fused" else "dim",
            )
    screen = console()
    screen.print(table)
    for line in facts(record):
        screen.print(Text(shown(line)), soft_wrap=True)


def facts(record: "RunRecord") -> list[str]:
    """What a reader must know beside the numbers, a line each."""
    from finereel.statistics.intervals import wilson_interval

    dataset, model = record.dataset, record.model
    lines = [
        f"data: {dataset.name}/{dataset.split} ({dataset.split_hash}), {dataset.captions} captions "
        f"({dataset.texts}), "
        f"coverage {dataset.coverage}",
        f"model: {model.name} ({model.fingerprint}), {model.frames} frames, {model.words} words",
    ]
    for direction, choice in record.normalization.get("choices", {}).items():
        settings = ", ".join(
            f"{name} {value:g}" for name, value in (choice["settings"] or {}).items()
        )
        found = f"{settings} ({choice['reason']})" if settings else choice["reason"]
        lines.append(f"normalization {record.normalization['name']}, {direction}: {found}")
    if dataset.captions_cut:
        lines.append(
            f"cut: {dataset.captions_cut} of {dataset.captions} captions "
            f"({dataset.captions_cut / dataset.captions:.1%}) are longer than the {model.words} "
            "tokens that the model reads"
        )
    if dataset.doubled:
        counted = "right" if dataset.doubled_right else "wrong (--doubled-right counts it as right)"
        lines.append(
            f"doubled: {dataset.doubled} captions have the words of another video's caption; that "
            f"video counts as {counted}"
        )
    half = wilson_interval(dataset.videos / 2, dataset.videos)
    if half.high - half.low > _UNTOLD:
        low, high = record.row("text_to_video")["intervals"].get("R@1", (0.0, 100.0))
        lines.append(
            f"TOO SMALL TO SAY MUCH: with {dataset.videos} videos R@1 lies anywhere from {low:.0f} "
            f"to {high:.0f}; take a split of some hundred videos to compare models"
        )
    told = dict(record.scoring)
    if told != {"kind": "exact"}:
        parts = [f"{name} {value}" for name, value in told.items() if name != "kind"]
        lines.append(f"scoring: {told['kind']} ({', '.join(parts)})" if parts else told["kind"])
    if not dataset.complete:
        video, reason = next(iter(dataset.missing.items()))
        count = len(dataset.missing)
        lines.append(
            f"NOT THE BENCHMARK: {count} videos could not be read, first {video}: {reason}"
        )
    return lines
