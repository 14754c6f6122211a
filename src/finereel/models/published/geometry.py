"""Read the sizes of the CLIP towers and the temporal encoder from the shapes of a published
checkpoint.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from finereel.errors import CheckpointError, ConfigError, unknown_name
from finereel.models.published import names

# How an official checkpoint is to be read, where its tensors do not say.
VARIANTS = ("train", "eval")
TEMPORAL = ("meanP", "seqLSTM", "seqTransf")
INTERACTIONS = ("wti", "ti", "dp")


@dataclass(frozen=True)
class Options:
    """How to read a published checkpoint.

    Attributes:
        max_words: W, checked against the checkpoint if its matrices depend on it.
        max_frames: F, checked against the checkpoint if its matrices depend on it.
        variant: `train` applies UCoFiA's patch matrix L1 as the published training code does,
            `eval` omits it as the published evaluation does. For DRL, `train` multiplies by the
            logit scale and `eval` does not.
        temporal: The temporal encoder, if the tensors do not determine it; None means the published
            one.
        interaction: For DRL only.
        allow: Names of official tensors (`*` matches any characters) that may be missing, and then
            stay untrained, or unknown, and are then ignored.
    """

    max_words: int | None = None
    max_frames: int | None = None
    variant: str = "eval"
    temporal: str | None = None
    interaction: str = "wti"
    allow: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for setting, known in (
            ("variant", VARIANTS),
            ("temporal", TEMPORAL),
            ("interaction", INTERACTIONS),
        ):
            value = getattr(self, setting)
            if value not in known and not (setting == "temporal" and value is None):
                raise unknown_name(setting, value, known)
        for setting in ("max_words", "max_frames"):
            value = getattr(self, setting)
            if value is not None and value < 1:
                raise ConfigError(f"{setting} must be at least 1, got {value}")


SHIFTED_BLOCKS = (10, 11)  # of TS2-Net and UCoFiA
SELECTOR = {
    "visual_token_selector.score_predictor.in_conv.0.weight": "patches.scorer.norm.weight",
    "visual_token_selector.score_predictor.in_conv.0.bias": "patches.scorer.norm.bias",
    "visual_token_selector.score_predictor.in_conv.1.weight": "patches.scorer.hidden.weight",
    "visual_token_selector.score_predictor.out_conv.0.weight": "patches.scorer.context.weight",
    "visual_token_selector.score_predictor.out_conv.2.weight": "patches.scorer.output.weight",
}
FRAME_POSITIONS = {"frame_position_embeddings.weight": "temporal.positions.weight"}
_TEMPORAL_BLOCKS = "transformerClip.resblocks"
_LSTM = {f"lstm_visual.{name}_l0": f"temporal.lstm.{name}_l0" for name in names.LSTM_TENSORS}
_HEAD_WIDTH = 64


def clip_values(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A `transformers` CLIP config of the towers' geometry, read from shapes; heads are 64 wide."""
    vocab_size, text_width = names.require(state, "clip.token_embedding.weight", 2).shape
    vision_width, _, _, patch_size = names.require(state, "clip.visual.conv1.weight", 4).shape
    grid = math.isqrt(len(names.require(state, "clip.visual.positional_embedding", 2)) - 1)
    dim = names.require(state, "clip.text_projection", 2).shape[1]
    text = {
        **_tower(state, "clip.transformer.resblocks", text_width, dim),
        "vocab_size": vocab_size,
        "max_position_embeddings": len(names.require(state, "clip.positional_embedding", 2)),
        "bos_token_id": vocab_size - 2,
        "eos_token_id": vocab_size - 1,
        "pad_token_id": 0,
    }
    vision = {
        **_tower(state, "clip.visual.transformer.resblocks", vision_width, dim),
        "patch_size": patch_size,
        "image_size": patch_size * grid,
    }
    return {"projection_dim": dim, "text_config": text, "vision_config": vision}


def _tower(state: Mapping[str, Tensor], blocks: str, width: int, dim: int) -> dict[str, Any]:
    """The sizes of one tower. CheckpointError for a width that cannot be cut into heads of 64, which
    is how these checkpoints leave the number of heads unsaid.
    """
    if width > _HEAD_WIDTH and width % _HEAD_WIDTH:
        raise CheckpointError(
            f"{blocks} is {width} wide, which is no multiple of {_HEAD_WIDTH}: only towers with "
            f"heads of {_HEAD_WIDTH} can be read from shapes alone"
        )
    first = state.get(f"{blocks}.0.mlp.c_fc.weight")
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width if first is None else len(first),
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "num_hidden_layers": names.count_blocks(state, blocks),
        "hidden_act": "quick_gelu",
        "projection_dim": dim,
    }


def shifted_blocks(state: Mapping[str, Tensor]) -> tuple[int, ...]:
    """The vision blocks that TS2-Net's token shift reaches; a shallower tower silently has
    fewer.
    """
    count = names.count_blocks(state, "clip.visual.transformer.resblocks")
    return tuple(block for block in SHIFTED_BLOCKS if block < count)


def temporal_settings(
    state: Mapping[str, Tensor], options: Options, usual: str = "seqTransf"
) -> dict[str, Any]:
    """`temporal` and `temporal_layers` that the state holds; where it holds none, what is asked
    for, or `usual`.
    """
    layers = names.count_blocks(state, _TEMPORAL_BLOCKS)
    if layers:
        return {"temporal": "seqTransf", "temporal_layers": layers}
    if any(name in state for name in _LSTM):
        return {"temporal": "seqLSTM", "temporal_layers": 1}
    return {"temporal": options.temporal or usual, "temporal_layers": 1}


def temporal_table(temporal: str, layers: int) -> names.Table:
    """The tensors of a temporal encoder."""
    if temporal == "meanP":
        return {}
    if temporal == "seqLSTM":
        return names.plain_table(_LSTM)
    blocks = names.block_table(_TEMPORAL_BLOCKS, "temporal.blocks", layers)
    return names.plain_table(FRAME_POSITIONS) | blocks


def tied_size(setting: str, asked: int | None, stored: int) -> int:
    """A size that matrices of the checkpoint are tied to; CheckpointError when another one is asked
    for.
    """
    if asked is not None and asked != stored:
        raise CheckpointError(
            f"{setting}={asked} was asked for, the checkpoint's matrices are for {stored}: pass "
            "that"
        )
    return stored


def free_sizes(state: Mapping[str, Tensor], options: Options) -> dict[str, int]:
    """max_words and max_frames where no matrix is tied to them: as asked for, else the published 32
    and 12.

    CheckpointError where the text tower has fewer positions than words.
    """
    positions = len(names.require(state, "clip.positional_embedding", 2))
    max_words = options.max_words or min(32, positions)
    if max_words > positions:
        raise CheckpointError(
            f"max_words={max_words} was asked for, the text tower has {positions} positions"
        )
    return {"max_words": max_words, "max_frames": options.max_frames or 12}


def scorer_kind(state: Mapping[str, Tensor], dim: int) -> Any:
    """Which patch scorer the checkpoint has, by the width of its first tensor."""
    width = len(names.require(state, next(iter(SELECTOR)), 1))
    kinds = {dim: "token", 2 * dim: "frame_video"}
    if width not in kinds:
        raise CheckpointError(
            f"the patch scorer takes vectors of {width}: expected {dim} (A) or {2 * dim} (B)"
        )
    return kinds[width]
