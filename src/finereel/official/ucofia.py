"""UCoFiA's released code (ICCV 2023; Ziyang412/UCoFiA) as a configuration of ours, and its tensors under our names."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from finereel.config import ModelConfig
from finereel.encoders.clip import ClipEncoder, clip_from_config
from finereel.errors import CheckpointError
from finereel.model import RetrievalModel, load_strictly
from finereel.official import names
from finereel.official.options import Options

# Created and saved by the official code, read by nothing in it.
NEVER_USED = ("word_logit_weight", "frame_mat_weight", "frame_mat_weight2", "word_mat_weight_for_pixel")
SHIFTED_BLOCKS = (10, 11)
_HEAD_WIDTH = 64
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
SELECTOR = {
    "visual_token_selector.score_predictor.in_conv.0.weight": "patches.scorer.norm.weight",
    "visual_token_selector.score_predictor.in_conv.0.bias": "patches.scorer.norm.bias",
    "visual_token_selector.score_predictor.in_conv.1.weight": "patches.scorer.hidden.weight",
    "visual_token_selector.score_predictor.out_conv.0.weight": "patches.scorer.context.weight",
    "visual_token_selector.score_predictor.out_conv.2.weight": "patches.scorer.output.weight",
}
FRAME_POSITIONS = {"frame_position_embeddings.weight": "temporal.positions.weight"}


def build(state: Mapping[str, Tensor], options: Options) -> RetrievalModel:
    """The network of an official state dict, in published mode: padding unmasked, patches raw, 1:1:1 mean."""
    plain = names.without_shift_wrapper(state)
    towers = clip_values(plain)
    vision_blocks = towers["vision_config"]["num_hidden_layers"]
    config = _config(plain, towers["projection_dim"], vision_blocks, options)
    table = names.clip_table(towers["text_config"]["num_hidden_layers"], vision_blocks)
    table |= names.plain_table(MATRICES)
    table |= names.plain_table(SELECTOR)
    if config.temporal == "seqTransf":
        table |= names.plain_table(FRAME_POSITIONS)
        table |= names.block_table("transformerClip.resblocks", "temporal.blocks", config.temporal_layers)
    weights = names.translate(plain, table, NEVER_USED, "ucofia")
    if options.variant == "eval":
        weights["head.patch_projection"] = torch.eye(towers["projection_dim"])
    encoder = ClipEncoder(clip_from_config(towers), config.shifted_blocks, config.mask_padding)
    model = RetrievalModel(encoder, config, name="official ucofia")
    load_strictly(model, weights, "the official ucofia state dict")
    return model.eval()


def clip_values(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """A `transformers` CLIP config of the towers' geometry, read from shapes; heads are 64 wide."""
    vocab_size, text_width = names.require(state, "clip.token_embedding.weight").shape
    patches = names.require(state, "clip.visual.conv1.weight")
    if patches.ndim != 4:
        raise CheckpointError(f"expected 2d patches, clip.visual.conv1.weight of 4 axes, got {patches.ndim}")
    vision_width, _, _, patch_size = patches.shape
    grid = math.isqrt(len(names.require(state, "clip.visual.positional_embedding")) - 1)
    dim = names.require(state, "clip.text_projection").shape[1]
    text = {
        **_tower(text_width, names.count_blocks(state, "clip.transformer.resblocks"), dim),
        "vocab_size": vocab_size,
        "max_position_embeddings": len(names.require(state, "clip.positional_embedding")),
        "bos_token_id": vocab_size - 2,
        "eos_token_id": vocab_size - 1,
        "pad_token_id": 0,
    }
    vision = {
        **_tower(vision_width, names.count_blocks(state, "clip.visual.transformer.resblocks"), dim),
        "patch_size": patch_size,
        "image_size": patch_size * grid,
    }
    return {"projection_dim": dim, "text_config": text, "vision_config": vision}


def _tower(width: int, blocks: int, dim: int) -> dict[str, Any]:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "num_hidden_layers": blocks,
        "hidden_act": "quick_gelu",
        "projection_dim": dim,
    }


def _config(state: Mapping[str, Tensor], dim: int, vision_blocks: int, options: Options) -> ModelConfig:
    max_words = _size("max_words", options.max_words, len(names.require(state, "word_mat_weight")))
    max_frames = _size("max_frames", options.max_frames, len(names.require(state, "frame_logit_weight")))
    num_patches = len(names.require(state, "pixel_mat_weight"))
    if num_patches % max_frames or num_patches < 2 * max_frames:
        raise CheckpointError(f"pixel_mat_weight is for {num_patches} patches: no whole number for {max_frames} frames")
    layers = names.count_blocks(state, "transformerClip.resblocks")
    return ModelConfig(
        max_words=max_words,
        max_frames=max_frames,
        shifted_blocks=tuple(block for block in SHIFTED_BLOCKS if block < vision_blocks),
        temporal="seqTransf" if layers else options.ucofia_temporal,
        temporal_layers=layers,
        patches_per_frame=num_patches // max_frames - 1,
        patch_scorer=_scorer_kind(state, dim),
        patch_units="inner_product",
        mask_padding=False,
    )


def _size(setting: str, asked: int | None, stored: int) -> int:
    if asked is not None and asked != stored:
        raise CheckpointError(f"{setting}={asked} was asked for, the checkpoint's matrices are for {stored}: pass that")
    return stored


def _scorer_kind(state: Mapping[str, Tensor], dim: int) -> Any:
    width = len(names.require(state, next(iter(SELECTOR))))
    kinds = {dim: "token", 2 * dim: "frame_video"}
    if width not in kinds:
        raise CheckpointError(f"the patch scorer takes vectors of {width}: expected {dim} (A) or {2 * dim} (B)")
    return kinds[width]
