"""UCoFiA (Ziyang412/UCoFiA, ICCV 2023) as a configuration of this project, and the names of its
tensors.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from finereel.config import ModelConfig
from finereel.errors import CheckpointError, ConfigError
from finereel.models.published import geometry, names
from finereel.models.published.geometry import Options
from finereel.models.published.plan import ImportPlan

# Created and saved by the official code, read by nothing in it.
NEVER_USED = (
    "word_logit_weight",
    "frame_mat_weight",
    "frame_mat_weight2",
    "word_mat_weight_for_pixel",
)
MATRICES = {
    "global_mat_weight": "head.sentence_projection",
    "global_mat_weight_1": "head.video_projection",
    "local_mat_weight": "head.word_projection",
    "local_mat_weight1": "head.patch_projection",
    "frame_logit_weight": "head.over_frames.mixing",
    "word_mat_weight": "head.over_words.mixing",
    "pixel_mat_weight": "head.over_patches.mixing",
    "pixel_mat_weight2": "head.over_word_patches.mixing",
    "word_mat_weight2": "head.over_patch_words.mixing",
}
NOTE = (
    "Published arithmetic: padded words, frames and patches take part in the scores, patches keep "
    "their length, and "
    "the three granularities count one third each."
)


def plan(state: Mapping[str, Tensor], options: Options) -> ImportPlan:
    """UCoFiA in published mode: padding unmasked, patches raw, 1:1:1 mean; in "eval" without the
    patch matrix L1.
    """
    dim = geometry.clip_values(state)["projection_dim"]
    temporal = geometry.temporal_settings(state, options)
    if temporal["temporal"] == "seqLSTM":
        raise ConfigError("ucofia has temporal='meanP' or 'seqTransf', got 'seqLSTM'")
    config = ModelConfig(
        **_sizes(state, options),
        **temporal,
        shifted_blocks=geometry.shifted_blocks(state),
        patch_scorer=geometry.scorer_kind(state, dim),
        patch_units="inner_product",
        mask_padding=False,
    )
    table = names.plain_table(MATRICES) | names.plain_table(geometry.SELECTOR)
    table |= geometry.temporal_table(config.temporal, config.temporal_layers)
    if names.require(state, "local_mat_weight1", 2).shape != (dim, dim):
        raise CheckpointError(
            f"local_mat_weight1 is no {dim} x {dim} matrix, as text_projection promises"
        )
    replaced = {"head.patch_projection": torch.eye(dim)} if options.variant == "eval" else {}
    return ImportPlan("ucofia", config, table, NOTE, NEVER_USED, replaced)


def _sizes(state: Mapping[str, Tensor], options: Options) -> dict[str, Any]:
    max_words = geometry.tied_size(
        "max_words", options.max_words, len(names.require(state, "word_mat_weight", 2))
    )
    max_frames = geometry.tied_size(
        "max_frames", options.max_frames, len(names.require(state, "frame_logit_weight", 2))
    )
    num_patches = len(names.require(state, "pixel_mat_weight", 2))
    if num_patches % max_frames or num_patches < 2 * max_frames:
        raise CheckpointError(
            f"pixel_mat_weight is for {num_patches} patches: no whole number for {max_frames} "
            "frames"
        )
    return {
        "max_words": max_words,
        "max_frames": max_frames,
        "patches_per_frame": num_patches // max_frames - 1,
    }
