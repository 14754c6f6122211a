"""Carry out `finegrain evaluate`: read the files, open the model and its clips, return the record."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from finereel.cli.evaluate import torch_device
from finereel.cli.negatives.sources import known_captions
from finereel.cli.progress import StageBars
from finereel.errors import ConfigError, ModelError, unknown_name

if TYPE_CHECKING:
    from finereel.data.base import Caption, ClipSource, Dataset, Split
    from finereel.data.sources import SourceOptions
    from finereel.finegrain.evaluate.groups import Group
    from finereel.finegrain.evaluate.measure import FineSettings
    from finereel.finegrain.evaluate.record import FineRecord
    from finereel.finegrain.evaluate.scorer import ClipNeeds, Scorer
    from finereel.finegrain.types import Negative

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
    name = asked or ("all" if list(dataset.splits) == ["all"] else "test")
    if name not in dataset.splits:
        raise unknown_name(f"split of {dataset.name}", name, ("none", *dataset.splits))
    return dataset.split(name)


def _what(
    request: EvaluationRequest, dataset: "Dataset | None"
) -> "tuple[tuple[Group, ...], FineSettings]":
    from finereel.finegrain.evaluate.blind import blind_baselines
    from finereel.finegrain.evaluate.groups import groups_of
    from finereel.finegrain.evaluate.measure import FineSettings
    from finereel.finegrain.evaluate.twins import twin_groups, twin_pairs

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


def _scorer(request: EvaluationRequest, progress: StageBars) -> "Scorer":
    from finereel.finegrain.evaluate.scorer import Opening
    from finereel.finegrain.evaluate.scorers import open_scorer

    def clips(needs: "ClipNeeds") -> "ClipSource":
        return _clips(request, needs, progress)

    device = str(torch_device(request.how.device))
    return open_scorer(request.scorer, request.model, Opening(clips, device, request.how.fine))


def _clips(request: EvaluationRequest, needs: "ClipNeeds", progress: StageBars) -> "ClipSource":
    from finereel.data.sources import open_source

    if needs.tokens_only and request.where.features is None:
        raise ModelError(f"model {request.model} takes precomputed tokens: give --features DIR")
    where, shown = request.where, needs.preprocessing
    fitting = replace(
        where, num_frames=needs.num_frames, image_size=needs.image_size, preprocessing=shown
    )
    return open_source(request.data or "folder", fitting, progress)
