"""DRL (foolwood/DRL) as a configuration of this project: the interactions `wti`, `ti` and `dp`."""

from collections.abc import Mapping

from torch import Tensor

from finereel.models.heads import head_config
from finereel.models.published import geometry, names
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan

_LAYERS = [f"{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")]
WEIGHT_NETWORKS = {
    f"{official}.{layer}": f"head.{ours}.{layer}"
    for official, ours in (("text_weight_fc", "word_weight"), ("video_weight_fc", "frame_weight"))
    for layer in _LAYERS
}
NOTE = (
    "Published arithmetic: similarities of padding count as 0 where a maximum is taken, and "
    "evaluation leaves the "
    "logit scale out."
)


def plan(state: Mapping[str, Tensor], options: Options) -> ImportPlan:
    """DRL as published: "train" multiplies by the logit scale, "eval" does not. Its weight networks
    have two layers.
    """
    config = head_config(
        "drl",
        **geometry.free_sizes(state, options),
        **geometry.temporal_settings(state, options),
        interaction=options.interaction,
        scaled_evaluation=options.variant == "train",
        mask_padding=False,
    )
    table = geometry.temporal_table(config.temporal, config.temporal_layers)
    never_used = tuple(geometry.FRAME_POSITIONS) if config.temporal == "seqLSTM" else ()
    if options.interaction == "wti":
        table |= names.plain_table(WEIGHT_NETWORKS)
    else:
        never_used += tuple(WEIGHT_NETWORKS)
    return ImportPlan("drl", config, table, NOTE, never_used)
