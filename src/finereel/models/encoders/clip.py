"""CLIP towers that project every token, with optional token shift in the vision blocks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from finereel.errors import CheckpointError, ConfigError, ModelError
from finereel.io.foreign_files import brief
from finereel.models.encoders.base import PIXEL_AXES, Encoder
from finereel.models.encoders.geometry import ClipGeometry
from finereel.models.encoders.prompts import Prompts, entered, exchanged, joined, read_block
from finereel.models.encoders.towers import ACTIVATIONS, ClipTowers, encode_tokens
from finereel.models.preprocessing import Preprocessing

_SHORT_ROW = 100


@dataclass(frozen=True)
class Stated:
    """What a CLIP directory says of itself besides the sizes of its towers; by default what
    finereel's own models do.

    preprocessing: of pictures; None for CLIP's statistics and torch's bicubic interpolation.
    end_id: the token a sentence is read at; None for the highest id.
    """

    preprocessing: Preprocessing | None = None
    end_id: int | None = None

    def describe(self) -> dict[str, Any]:
        """As JSON values, without what is not said."""
        pixels = (
            {} if self.preprocessing is None else {"preprocessing": self.preprocessing.to_dict()}
        )
        return pixels | ({} if self.end_id is None else {"end_id": self.end_id})

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "Stated":
        """From the values of `describe`. CheckpointError for those that cannot be."""
        preprocessing, end_id = values.get("preprocessing"), values.get("end_id")
        if end_id is not None and type(end_id) is not int:
            raise CheckpointError(
                f"end_id in config.json must be a token id, got {end_id!r}; copy the model again"
            )
        return cls(
            None if preprocessing is None else Preprocessing.from_dict(preprocessing), end_id
        )


class ClipEncoder(Encoder):
    """Both towers of a CLIP-architecture model; all outputs live in the shared D-dimensional space.

    Args:
        clip: the towers, of any geometry.
        shifted_blocks: vision block indexes that attend over shifted tokens (UCoFiA: 10 and 11;
        empty for none).
        mask_padding: keep padded frames out of the token shift; False reproduces the published
        code.
        stated: what the model's directory says besides sizes.

    Source: UCoFiA `module_clip.py` (hidden states of *all* tokens through ln_final / ln_post and
    the projection).
    """

    kind = "clip"

    def __init__(
        self,
        clip: ClipTowers,
        shifted_blocks: Sequence[int] = (),
        mask_padding: bool = True,
        stated: Stated = Stated(),
    ) -> None:
        super().__init__()
        self.clip = clip
        self.stated = stated
        self.shifted_blocks = frozenset(shifted_blocks)
        self.mask_padding = mask_padding
        num_blocks = len(clip.vision_model.encoder.layers)
        outside = sorted(block for block in self.shifted_blocks if not 0 <= block < num_blocks)
        if outside:
            raise ConfigError(
                f"shifted_blocks {outside} do not exist: the vision tower has {num_blocks} blocks"
            )

    @property
    def dim(self) -> int:
        """D, the width of the shared space."""
        return self.clip.config.projection_dim

    @property
    def image_size(self) -> int:
        """Side of the square input image in pixels."""
        return self.clip.config.vision_config.image_size

    @property
    def preprocessing(self) -> Preprocessing | None:
        """As the model's directory states it."""
        return self.stated.preprocessing

    @property
    def tokens_per_frame(self) -> int:
        """N: CLS and the patches."""
        vision = self.clip.config.vision_config
        return int(vision.image_size // vision.patch_size) ** 2 + 1

    @property
    def shifts_tokens(self) -> bool:
        """Whether there are shifted blocks."""
        return bool(self.shifted_blocks)

    @property
    def max_words(self) -> int:
        """The most tokens the text tower has positions for."""
        return self.clip.config.text_config.max_position_embeddings

    @property
    def vocab_size(self) -> int:
        """The number of token ids of the text tower."""
        return self.clip.config.text_config.vocab_size

    @property
    def text_width(self) -> int:
        """The width of a token inside the text tower."""
        return self.clip.config.text_config.hidden_size

    @property
    def text_blocks(self) -> int:
        """The number of blocks of the text side."""
        return self.clip.config.text_config.num_hidden_layers

    @property
    def logit_scale(self) -> nn.Parameter:  # type: ignore[override]
        """ln s, a parameter of the towers."""
        parameter: nn.Parameter = self.clip.logit_scale
        return parameter

    @property
    def causal_text_tower(self) -> Any:
        """The text transformer."""
        return self.clip.text_model

    def describe(self) -> dict[str, Any]:
        """The towers' geometry as JSON values; `encoder_from_description` builds the same encoder
        again.
        """
        return self.clip.config.describe() | self.stated.describe()

    def prepare_training(self) -> None:
        """Short rows train 1.4 times faster with plain attention than with the fused kernel
        (bfloat16, two cores).
        """
        vision = self.clip.config.vision_config
        if (vision.image_size // vision.patch_size) ** 2 <= _SHORT_ROW:
            self.clip.set_kernel("eager")

    def finish_training(self) -> None:
        """Back to what a loaded model computes with: the two kernels differ in the last bits."""
        self.clip.set_kernel("sdpa")

    @property
    def visual_width(self) -> int:
        """E, the width of a token inside the vision tower."""
        return self.clip.config.vision_config.hidden_size

    @property
    def visual_blocks(self) -> int:
        """The number of blocks of the vision tower."""
        return self.clip.config.vision_config.num_hidden_layers

    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words, see `finereel.models.encoders.towers`. Attention is causal, so the
        mask is not needed.
        """
        towers = self.clip
        return encode_tokens(
            towers.text_model, towers.text_projection, input_ids, prompts, self.stated.end_id
        )

    def encode_frames(
        self,
        frames: Float[Tensor, "V F 3 H H"] | Float[Tensor, "V F N D"],
        frame_mask: Bool[Tensor, "V F"],
    ) -> Float[Tensor, "V F N D"]:
        """All N tokens of every frame (token 0 is CLS), normalised by ln_post and projected.

        Padded frames become CLIP's mean colour, whatever they hold (unless `mask_padding` is off).
        Tokens this tower gave before pass unchanged: training on cached tokens is training with a
        frozen vision tower.
        """
        if frames.ndim != PIXEL_AXES:
            return torch.where(frame_mask[..., None, None], frames, 0.0)
        hidden = self._embedded(frames, frame_mask)
        for number in range(len(self.clip.vision_model.encoder.layers)):
            hidden = self._passed(number, hidden, frame_mask)
        return self._projected(hidden, frame_mask)

    def encode_prompted(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """The tokens of `encode_frames`, and the frame vectors of the visual prompts.

        Raises ModelError for tokens that a tower gave before: the prompts would have to pass the
        tower with them.
        """
        if frames.ndim != PIXEL_AXES:
            raise ModelError(
                "visual prompts pass the vision tower with the pixels: give pixels, not cached "
                "tokens"
            )
        assert prompts.visual is not None
        hidden = self._embedded(frames, frame_mask)
        count, joint = hidden.shape[1], prompts.config.attention == "joint"
        beside = entered(hidden[:, :0], prompts.visual, at=0)
        if joint:
            hidden = torch.cat([hidden, beside], 1)
        for number, block in enumerate(self.clip.vision_model.encoder.layers):
            if joint:
                hidden = exchanged(hidden, prompts.visual, number, at=count)
            else:
                beside = joined(beside, prompts.visual, number)
                beside = read_block(block, self._seen(number, hidden, frame_mask, count), beside)
            hidden = self._passed(number, hidden, frame_mask, count)
        if joint:
            beside = hidden[:, 1:2] if prompts.config.legacy_index else hidden[:, count:]
        return self._projected(hidden[:, :count], frame_mask), self._projected(
            beside, frame_mask
        ).mean(2)

    def _embedded(self, pixels: Tensor, frame_mask: Tensor) -> Tensor:
        """CLS and patches of every frame before the first block."""
        if self.mask_padding:
            pixels = torch.where(frame_mask[..., None, None, None], pixels, 0.0)
        vision = self.clip.vision_model
        hidden: Tensor = vision.pre_layrnorm(vision.embeddings(pixels.flatten(0, 1)))
        return hidden

    def _passed(
        self, number: int, hidden: Tensor, frame_mask: Tensor, count: int | None = None
    ) -> Tensor:
        """All tokens after a block. In a shifted one, pre-LN attention (query, key and value alike)
        sees shifted tokens, the residual does not; from `count` on they are no tokens of the
        picture, and stay.
        """
        block = self.clip.vision_model.encoder.layers[number]
        if number not in self.shifted_blocks:
            passed: Tensor = block(hidden)
            return passed
        attended = block.self_attn(self._seen(number, hidden, frame_mask, count))
        hidden = hidden + attended
        result: Tensor = hidden + block.mlp(block.layer_norm2(hidden))
        return result

    def _seen(self, number: int, hidden: Tensor, frame_mask: Tensor, count: int | None) -> Tensor:
        """The tokens as a block's attention sees them."""
        normed: Tensor = self.clip.vision_model.encoder.layers[number].layer_norm1(hidden)
        if number not in self.shifted_blocks:
            return normed
        by_frame = normed.reshape(*frame_mask.shape, *normed.shape[1:])
        shifted = shift_tokens(
            by_frame[:, :, :count], frame_mask if self.mask_padding else None
        ).flatten(0, 1)
        return torch.cat([shifted, normed[:, shifted.shape[1] :]], 1)

    def _projected(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        """In the shared space, frame by frame."""
        tokens: Tensor = self.clip.visual_projection(self.clip.vision_model.post_layernorm(hidden))
        return tokens.reshape(*frame_mask.shape, *tokens.shape[1:])


def clip_from_config(values: Mapping[str, Any]) -> ClipTowers:
    """Freshly initialised towers from a `transformers` CLIP config dictionary; see
    `checked_clip_values`.
    """
    geometry = ClipGeometry.from_values(checked_clip_values(values))
    check_picture(geometry.vision_config)
    return ClipTowers(geometry)


# Token shift: some patch tokens look one frame back, some one frame ahead, before attention.
_DIVISIONS = 7
_AHEAD_OFFSET = 3


def shift_tokens(
    tokens: Float[Tensor, "V F N D"], frame_mask: Bool[Tensor, "V F"] | None = None
) -> Float[Tensor, "V F N D"]:
    """Replace tokens 1, 1+fold, ... by the previous frame's and tokens 4, 4+fold, ... by the next
    frame's.

    fold = N // 7. The first and the last frame keep their own. Where both rules name a token, the later one (next
    frame) wins, as published. With `frame_mask` a padded neighbour is never read; without it, zero frames used as
    padding leak into the last real frame, which is what the published code does.

    >>> frames = torch.arange(3.0).reshape(1, 3, 1, 1).expand(1, 3, 8, 1)
    >>> shift_tokens(frames)[0, 1, :, 0]
    tensor([1., 0., 0., 0., 2., 2., 2., 2.])
    """
    num_tokens = tokens.shape[2]
    fold = num_tokens // _DIVISIONS
    if fold == 0:
        raise ValueError(
            f"token shift needs at least {_DIVISIONS} tokens per frame, got {num_tokens}"
        )
    back = torch.arange(1, num_tokens, fold, device=tokens.device)
    ahead = torch.arange(1 + _AHEAD_OFFSET, num_tokens, fold, device=tokens.device)
    shifted = tokens.clone()
    shifted[:, 1:, back] = _where_real(
        tokens[:, :-1, back], shifted[:, 1:, back], frame_mask, slice(None, -1)
    )
    shifted[:, :-1, ahead] = _where_real(
        tokens[:, 1:, ahead], shifted[:, :-1, ahead], frame_mask, slice(1, None)
    )
    return shifted


def _where_real(neighbour: Tensor, own: Tensor, frame_mask: Tensor | None, frames: slice) -> Tensor:
    if frame_mask is None:
        return neighbour
    return torch.where(frame_mask[:, frames, None, None], neighbour, own)


# A CLIP `config.json` -> the settings that decide the towers' arithmetic, each of its type and
# within bounds.
_MOST_TOKENS = 16_384  # of a frame
_LARGEST_ID = 2**31 - 1
_MOST_ENDS = 16

Check = Callable[[Any], bool]


def _between(low: int, high: int) -> tuple[Check, str]:
    return (
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def _optional(check: tuple[Check, str]) -> tuple[Check, str]:
    return lambda value: value is None or check[0](value), f"{check[1]}, or null"


def _number(low: float, high: float) -> tuple[Check, str]:
    return (
        lambda value: type(value) in (int, float) and low <= value <= high,
        f"a number from {low} to {high}",
    )


def _is_end(value: Any) -> bool:
    ids = value if isinstance(value, list) else [value]
    return len(ids) <= _MOST_ENDS and all(_optional(_TOKEN)[0](token) for token in ids)


_WIDTH, _TOKEN = _between(1, 16_384), _between(-1, _LARGEST_ID)
_TOWER: dict[str, tuple[Check, str]] = {
    "hidden_size": _WIDTH,
    "intermediate_size": _between(1, 65_536),
    "num_attention_heads": _between(1, 1024),
    "num_hidden_layers": _between(0, 128),
    "projection_dim": _optional(_WIDTH),
    "hidden_act": (
        lambda value: isinstance(value, str) and value in ACTIVATIONS,
        "the name of an activation, for instance quick_gelu",
    ),
    "layer_norm_eps": _number(1e-15, 1.0),
    "attention_dropout": _number(0.0, 0.99),
}
_TEXT = _TOWER | {
    "vocab_size": _between(3, 1 << 20),
    "max_position_embeddings": _between(2, 16_384),
    "bos_token_id": _optional(_TOKEN),
    "pad_token_id": _optional(_TOKEN),
    "eos_token_id": (_is_end, "a token id, or a list of them"),
}
_VISION = _TOWER | {
    "image_size": _between(1, 4096),
    "patch_size": _between(1, 4096),
    "num_channels": _between(3, 3),
}
_TOWERS = {
    "text_config": _TEXT,
    "text_config_dict": _TEXT,
    "vision_config": _VISION,
    "vision_config_dict": _VISION,
}


def checked_clip_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of both towers and of the space they share, and no others. ConfigError names
    what does not fit.

    >>> checked_clip_values({"projection_dim": 64, "torch_dtype": "float16", "text_config": {"hidden_size": 64}})
    {'projection_dim': 64, 'text_config': {'hidden_size': 64}}
    >>> checked_clip_values({"text_config": {"num_hidden_layers": 1_000_000}})
    Traceback (most recent call last):
    finereel.errors.ConfigError: text_config.num_hidden_layers must be a whole number from 0 to 128, got 1000000
    """
    checked = _checked(
        values, {"projection_dim": _WIDTH, "logit_scale_init_value": _number(-30.0, 30.0)}, ""
    )
    for name, checks in _TOWERS.items():
        tower = values.get(name)
        if tower is None:
            continue
        if not isinstance(tower, dict):
            raise ConfigError(
                f"{name} must be an object with the settings of a tower, got {brief(tower)}"
            )
        checked[name] = _checked(tower, checks, f"{name}.")
        width, heads = (checked[name].get(key) for key in ("hidden_size", "num_attention_heads"))
        if width and heads and width % heads:
            raise ConfigError(
                f"{name}: hidden_size {width} is not a multiple of num_attention_heads {heads}"
            )
    return checked


def _checked(
    values: Mapping[str, Any], checks: Mapping[str, tuple[Check, str]], place: str
) -> dict[str, Any]:
    for name, (fits, expected) in checks.items():
        if name in values and not fits(values[name]):
            raise ConfigError(f"{place}{name} must be {expected}, got {brief(values[name])}")
    return {name: values[name] for name in checks if name in values}


def check_picture(vision: Any) -> None:
    """ConfigError where a vision tower's picture, given the geometry with all defaults filled in,
    holds no patch, or more of them than attention can take.
    """
    tokens = (vision.image_size // vision.patch_size) ** 2 + 1
    if not 1 < tokens <= _MOST_TOKENS:
        raise ConfigError(
            f"vision_config: a picture of {vision.image_size} pixels makes {tokens - 1:,} patches "
            "of "
            f"{vision.patch_size}, expected 1 to {_MOST_TOKENS - 1:,}"
        )
