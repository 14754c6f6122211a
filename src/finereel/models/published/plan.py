"""Convert an official state dict into a model by the plan of its kind, and report every tensor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from finereel.config import ModelConfig
from finereel.models.encoders.clip import ClipEncoder, clip_from_config
from finereel.models.published import names
from finereel.models.published.geometry import Options, clip_values
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import require_fit
from finereel.models.weights import load_strictly, sketched


@dataclass(frozen=True)
class ImportPlan:
    """One checkpoint, understood. kind; config: the model in published mode; table: the tensors
    besides CLIP's;
    never_used: patterns of tensors that the official code saves and never reads; replaced: tensors
    of ours that are set to something else than the checkpoint's; note: what is published behaviour
    in it, for the model's card.
    """

    kind: str
    config: ModelConfig
    table: names.Table
    note: str
    never_used: tuple[str, ...] = ()
    replaced: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportReport:
    """What became of a checkpoint. mapped: official name -> our names; ignored: tensors left out,
    because the official code never reads them or because that was allowed; missing: tensors that
    were allowed to be missing, whose parameters stay at their untrained start; scorer: of patches,
    empty without one; geometry: sizes read from shapes.
    """

    kind: str
    mapped: Mapping[str, tuple[str, ...]]
    ignored: tuple[str, ...]
    missing: tuple[str, ...]
    scorer: str
    geometry: Mapping[str, Any]


def carry_out(
    plan: ImportPlan, state: Mapping[str, Tensor], options: Options
) -> tuple[RetrievalModel, ImportReport]:
    """The model of a plan, every tensor in its place. Raises CheckpointError for any that is
    missing or unexpected.
    """
    towers = clip_values(state)
    text_blocks, vision_blocks = (
        towers[f"{tower}_config"]["num_hidden_layers"] for tower in ("text", "vision")
    )
    table = names.clip_table(text_blocks, vision_blocks) | plan.table
    match = names.match(state, table, plan.never_used, options.allow)
    match.check(plan.kind)
    weights = names.translate(state, {name: table[name] for name in match.mapped})
    origin = f"the official {plan.kind} state dict"

    def make() -> RetrievalModel:
        encoder = ClipEncoder(
            clip_from_config(towers), plan.config.shifted_blocks, plan.config.mask_padding
        )
        return RetrievalModel(
            encoder, plan.config, name=f"official {plan.kind}", card={"note": plan.note}, seed=None
        )

    given = {name: tuple(tensor.shape) for name, tensor in (weights | dict(plan.replaced)).items()}
    sketched(make, given, origin, match.untrained(table))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # tensors that may be missing start the same every time
        model = make()
    weights |= {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name in match.untrained(table)
    }
    load_strictly(model, weights | dict(plan.replaced), origin)
    report = ImportReport(
        kind=plan.kind,
        mapped={name: tuple(target.name for target in table[name]) for name in match.mapped},
        ignored=match.ignored,
        missing=match.missing,
        scorer=plan.config.patch_scorer if model.patches is not None else "",
        geometry=_geometry(towers, plan.config),
    )
    return require_fit(model.eval()), report


def _geometry(towers: Mapping[str, Any], config: ModelConfig) -> dict[str, Any]:
    text, vision = towers["text_config"], towers["vision_config"]
    return {
        "dim": towers["projection_dim"],
        "vocabulary": text["vocab_size"],
        "text_width": text["hidden_size"],
        "text_blocks": text["num_hidden_layers"],
        "vision_width": vision["hidden_size"],
        "vision_blocks": vision["num_hidden_layers"],
        "image_size": vision["image_size"],
        "patch_size": vision["patch_size"],
        "max_words": config.max_words,
        "max_frames": config.max_frames,
        "temporal": config.temporal,
        "temporal_layers": config.temporal_layers,
        "shifted_blocks": list(config.shifted_blocks),
        "head": config.head,
    }
