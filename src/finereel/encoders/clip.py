"""CLIP towers from `transformers`, with every token projected and the token shift inside the vision blocks."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from finereel.encoders.clip_values import check_picture, checked_clip_values
from finereel.encoders.pixels import normalize_pixels
from finereel.encoders.prompts import Prompts, read_block
from finereel.encoders.text_tower import encode_tokens
from finereel.encoders.token_shift import shift_tokens
from finereel.errors import ConfigError, ModelError

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

    @property
    def visual_width(self) -> int:
        """E, the width of a token inside the vision tower."""
        return int(self.clip.config.vision_config.hidden_size)

    def encode_tokens(
        self, input_ids: Int64[Tensor, "T W"], prompts: Float[Tensor, "n E"] | None = None
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words, see `finereel.encoders.text_tower`."""
        return encode_tokens(self.clip.text_model, self.clip.text_projection, input_ids, prompts)

    def encode_frames(
        self, pixels: Float[Tensor, "V F 3 H H"] | Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        """All N tokens of every frame (token 0 is CLS), normalised by ln_post and projected.

        Padded frames become CLIP's mean colour, whatever they hold (unless `mask_padding` is off). Tokens this tower
        gave before pass unchanged: training on cached tokens is training with a frozen vision tower.
        """
        if pixels.ndim != _PIXEL_AXES:
            return torch.where(frame_mask[..., None, None], pixels, 0.0)
        hidden = self._embedded(pixels, frame_mask)
        for number in range(len(self.clip.vision_model.encoder.layers)):
            hidden = self._passed(number, hidden, frame_mask)
        return self._projected(hidden, frame_mask)

    def encode_prompted(
        self, pixels: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """The tokens of `encode_frames`, and the frame vectors of the visual prompts.

        Raises ModelError for tokens that a tower gave before: the prompts would have to pass the tower with them.
        """
        if pixels.ndim != _PIXEL_AXES:
            raise ModelError("visual prompts pass the vision tower with the pixels: give pixels, not cached tokens")
        assert prompts.visual is not None
        hidden = self._embedded(pixels, frame_mask)
        beside, count = prompts.visual.expand(len(hidden), -1, -1).to(hidden), hidden.shape[1]
        joint = prompts.config.attention == "joint"
        if joint:
            hidden = torch.cat([hidden, beside], 1)
        for number, block in enumerate(self.clip.vision_model.encoder.layers):
            if not joint:
                beside = read_block(block, self._seen(number, hidden, frame_mask, count), beside)
            hidden = self._passed(number, hidden, frame_mask, count)
        if joint:
            beside = hidden[:, 1:2] if prompts.config.legacy_index else hidden[:, count:]
        return self._projected(hidden[:, :count], frame_mask), self._projected(beside, frame_mask).mean(2)

    def _embedded(self, pixels: Tensor, frame_mask: Tensor) -> Tensor:
        """CLS and patches of every frame before the first block."""
        if self.mask_padding:
            pixels = torch.where(frame_mask[..., None, None, None], pixels, 0.0)
        vision = self.clip.vision_model
        hidden: Tensor = vision.pre_layrnorm(vision.embeddings(pixels.flatten(0, 1)))
        return hidden

    def _passed(self, number: int, hidden: Tensor, frame_mask: Tensor, count: int | None = None) -> Tensor:
        """All tokens after a block. In a shifted one, pre-LN attention (query, key and value alike) sees shifted
        tokens, the residual does not; from `count` on they are no tokens of the picture, and stay."""
        block = self.clip.vision_model.encoder.layers[number]
        if number not in self.shifted_blocks:
            passed: Tensor = block(hidden, attention_mask=None)
            return passed
        attended, _ = block.self_attn(self._seen(number, hidden, frame_mask, count))
        hidden = hidden + attended
        result: Tensor = hidden + block.mlp(block.layer_norm2(hidden))
        return result

    def _seen(self, number: int, hidden: Tensor, frame_mask: Tensor, count: int | None) -> Tensor:
        """The tokens as a block's attention sees them."""
        normed: Tensor = self.clip.vision_model.encoder.layers[number].layer_norm1(hidden)
        if number not in self.shifted_blocks:
            return normed
        by_frame = normed.reshape(*frame_mask.shape, *normed.shape[1:])
        shifted = shift_tokens(by_frame[:, :, :count], frame_mask if self.mask_padding else None).flatten(0, 1)
        return torch.cat([shifted, normed[:, shifted.shape[1] :]], 1)

    def _projected(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        """In the shared space, frame by frame."""
        tokens: Tensor = self.clip.visual_projection(self.clip.vision_model.post_layernorm(hidden))
        return tokens.reshape(*frame_mask.shape, *tokens.shape[1:])


def clip_from_config(values: dict[str, Any]) -> CLIPModel:
    """Freshly initialised towers from a `transformers` CLIP config dictionary; see `checked_clip_values`."""
    config = CLIPConfig.from_dict(checked_clip_values(values))
    check_picture(config.vision_config)
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
