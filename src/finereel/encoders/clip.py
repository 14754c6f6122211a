"""CLIP towers from `transformers`, with every token projected and the token shift inside the vision blocks."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from finereel.encoders.pixels import normalize_pixels
from finereel.encoders.text_tower import encode_tokens
from finereel.encoders.token_shift import shift_tokens
from finereel.errors import ConfigError

_SHORT_ROW = 100
_PIXEL_AXES = 5


class ClipEncoder(nn.Module):
    """Both towers of a CLIP-architecture model; all outputs live in the shared D-dimensional space.

    Args:
        clip: the towers; `transformers.CLIPModel` of any geometry.
        shifted_blocks: vision block indexes that attend over shifted tokens (UCoFiA: 10 and 11; empty for none).
        mask_padding: keep padded frames out of the token shift; False reproduces the published code.

    Source: UCoFiA `module_clip.py` (hidden states of *all* tokens through ln_final / ln_post and the projection).
    """

    kind = "clip"

    def __init__(self, clip: CLIPModel, shifted_blocks: Sequence[int] = (), mask_padding: bool = True) -> None:
        super().__init__()
        self.clip = clip
        self.shifted_blocks = frozenset(shifted_blocks)
        self.mask_padding = mask_padding
        num_blocks = len(clip.vision_model.encoder.layers)
        outside = sorted(block for block in self.shifted_blocks if not 0 <= block < num_blocks)
        if outside:
            raise ConfigError(f"shifted_blocks {outside} do not exist: the vision tower has {num_blocks} blocks")

    @property
    def dim(self) -> int:
        """D, the width of the shared space."""
        return int(self.clip.config.projection_dim)

    @property
    def image_size(self) -> int:
        """Side of the square input image in pixels."""
        return int(self.clip.config.vision_config.image_size)

    @property
    def max_words(self) -> int:
        """The most tokens the text tower has positions for."""
        return int(self.clip.config.text_config.max_position_embeddings)

    @property
    def scale(self) -> Float[Tensor, ""]:
        """s = exp(logit_scale)."""
        scale: Tensor = self.clip.logit_scale.exp()
        return scale

    @property
    def logit_scale(self) -> nn.Parameter:
        """ln s."""
        parameter: nn.Parameter = self.clip.logit_scale
        return parameter

    @property
    def text_tower(self) -> Any:
        """The text transformer."""
        return self.clip.text_model

    def describe(self) -> dict[str, Any]:
        """The towers' geometry as JSON values; `encoder_from_description` builds the same encoder again."""
        towers = self.clip.config.to_dict()
        kept = {name: _geometry(towers[name]) for name in ("text_config", "vision_config")}
        return {"projection_dim": self.dim, **kept}

    def to_input(self, frames: UInt8[Tensor, "V F H H 3"] | Float[Tensor, "V F N D"]) -> Float[Tensor, "V F ..."]:
        """Frames of the model's size, in normalised space; tokens that this vision tower gave before stay."""
        return normalize_pixels(frames) if frames.ndim == _PIXEL_AXES else frames

    def prepare_training(self) -> None:
        """Short rows train 1.4 times faster with plain attention than with the fused kernel (bfloat16, two cores)."""
        vision = self.clip.config.vision_config
        if (vision.image_size // vision.patch_size) ** 2 <= _SHORT_ROW:
            self.clip.set_attn_implementation("eager")

    def finish_training(self) -> None:
        """Back to what a loaded model computes with: the two kernels differ in the last bits."""
        self.clip.set_attn_implementation("sdpa")

    def encode_tokens(self, input_ids: Int64[Tensor, "T W"]) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words, see `finereel.encoders.text_tower`."""
        return encode_tokens(self.clip.text_model, self.clip.text_projection, input_ids)

    def encode_frames(
        self, pixels: Float[Tensor, "V F 3 H H"] | Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        """All N tokens of every frame (token 0 is CLS), normalised by ln_post and projected.

        Padded frames become CLIP's mean colour, whatever they hold (unless `mask_padding` is off). Tokens this tower
        gave before pass unchanged: training on cached tokens is training with a frozen vision tower.
        """
        if pixels.ndim != _PIXEL_AXES:
            return torch.where(frame_mask[..., None, None], pixels, 0.0)
        num_videos, num_frames = pixels.shape[:2]
        vision = self.clip.vision_model
        if self.mask_padding:
            pixels = torch.where(frame_mask[..., None, None, None], pixels, 0.0)
        hidden = vision.pre_layrnorm(vision.embeddings(pixels.flatten(0, 1)))
        mask = frame_mask if self.mask_padding else None
        for number, block in enumerate(vision.encoder.layers):
            if number in self.shifted_blocks:
                hidden = _shifted_block(block, hidden.reshape(num_videos, num_frames, *hidden.shape[1:]), mask)
            else:
                hidden = block(hidden, attention_mask=None)
        tokens: Tensor = self.clip.visual_projection(vision.post_layernorm(hidden))
        return tokens.reshape(num_videos, num_frames, *tokens.shape[1:])


def _shifted_block(block: Any, hidden: Tensor, frame_mask: Tensor | None) -> Tensor:
    """One pre-LN block whose attention (query, key and value alike) sees shifted tokens; the residual does not."""
    flat = hidden.flatten(0, 1)
    attended, _ = block.self_attn(shift_tokens(block.layer_norm1(hidden), frame_mask).flatten(0, 1))
    flat = flat + attended
    result: Tensor = flat + block.mlp(block.layer_norm2(flat))
    return result


def clip_from_config(values: dict[str, Any]) -> CLIPModel:
    """Freshly initialised towers from a `transformers` CLIP config dictionary."""
    config = CLIPConfig.from_dict(values)
    config._attn_implementation = "sdpa"
    return CLIPModel(config)


# Geometry of a tower that decides its arithmetic; the rest of transformers' config is housekeeping.
_TOWER_KEYS = (
    "hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers", "hidden_act", "projection_dim",
    "layer_norm_eps", "vocab_size", "max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
    "image_size", "patch_size",
)  # fmt: skip


def _geometry(tower: dict[str, Any]) -> dict[str, Any]:
    return {key: tower[key] for key in _TOWER_KEYS if key in tower}
