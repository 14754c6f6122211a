"""SigLIP and SigLIP 2, with the parameter names and the arithmetic of `transformers`' `SiglipModel`
and `Siglip2Model`.

Texts are padded to the length of the text tower without a mask, and a sentence is read at the last
place, which is mostly padding: so were the models trained. SigLIP 2 directories of a fixed
resolution are of type `siglip`; those of type `siglip2` (NaFlex) take pictures of any shape in
`transformers`, here the square of as many patches.

Source: Zhai et al. 2023 (arXiv 2303.15343), Tschannen et al. 2025 (arXiv 2502.14786).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from finereel.config import require_between
from finereel.errors import ConfigError, ModelError
from finereel.io.foreign_files import brief
from finereel.models.encoders.base import PIXEL_AXES, Encoder, scattered
from finereel.models.encoders.geometry import (
    TextGeometry,
    VisionGeometry,
    described_tower,
    tower_geometry,
)
from finereel.models.encoders.prompts import Prompts, entered, exchanged, left, pooled_prompts
from finereel.models.encoders.towers import Blocks, Mlp, TextTower
from finereel.models.preprocessing import Preprocessing

_MOST_PATCHES = 16_384
_WIDTHS = {
    "hidden_size": (1, 16_384),
    "intermediate_size": (1, 65_536),
    "num_attention_heads": (1, 1024),
    "num_hidden_layers": (0, 128),
    "layer_norm_eps": (1e-15, 1.0),
    "attention_dropout": (0.0, 0.99),
}


@dataclass(frozen=True)
class SiglipTextGeometry(TextGeometry):
    """The text tower; the defaults are those of `transformers`."""

    hidden_size: int = 768
    intermediate_size: int = 3072
    num_attention_heads: int = 12
    hidden_act: str = "gelu_pytorch_tanh"
    projection_dim: int | None = None
    layer_norm_eps: float = 1e-6
    vocab_size: int = 32_000
    max_position_embeddings: int = 64
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    projection_size: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        sizes = {"vocab_size": (2, 1 << 20), "max_position_embeddings": (2, 16_384)}
        require_between(self, _WIDTHS | sizes)


@dataclass(frozen=True)
class SiglipVisionGeometry(VisionGeometry):
    """The vision tower; the defaults are those of `transformers`.

    Attributes:
        linear_patches: Whether patches are embedded by a linear map, as in `siglip2`, rather than
            by a convolution.
    """

    hidden_act: str = "gelu_pytorch_tanh"
    projection_dim: int | None = None
    layer_norm_eps: float = 1e-6
    patch_size: int = 16
    linear_patches: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_between(self, _WIDTHS | dict.fromkeys(("image_size", "patch_size"), (1, 4096)))
        if self.patches > _MOST_PATCHES:
            raise ConfigError(
                f"a picture of {self.image_size} pixels makes {self.patches:,} patches of "
                f"{self.patch_size}, expected at most {_MOST_PATCHES:,}"
            )

    @property
    def patches(self) -> int:
        """The number of patches of a picture."""
        return (self.image_size // self.patch_size) ** 2


@dataclass(frozen=True)
class SiglipGeometry:
    """Both towers.

    Attributes:
        text_config: Sizes of the text tower.
        vision_config: Sizes of the vision tower.
        pad_id: The token that fills a text, from the tokenizer.
        preprocessing: What happens to pictures.

    Raises:
        ConfigError: If the towers end in different widths.
    """

    text_config: SiglipTextGeometry
    vision_config: SiglipVisionGeometry
    pad_id: int
    preprocessing: Preprocessing

    def __post_init__(self) -> None:
        width = self.text_config.projection_size or self.text_config.hidden_size
        if width != self.vision_config.hidden_size:
            raise ConfigError(
                f"texts end in {width} numbers, pictures in {self.vision_config.hidden_size}: "
                "expected the same; copy config.json again"
            )
        if type(self.pad_id) is not int or not 0 <= self.pad_id < self.text_config.vocab_size:
            raise ConfigError(
                f"pad_id must be a token from 0 to {self.text_config.vocab_size - 1}, got "
                f"{brief(self.pad_id)}"
            )

    def describe(self) -> dict[str, Any]:
        """As JSON values; what `from_values` takes."""
        return {
            "text_config": described_tower(self.text_config),
            "vision_config": described_tower(self.vision_config),
            "pad_id": self.pad_id,
            "preprocessing": self.preprocessing.to_dict(),
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "SiglipGeometry":
        """Read what `describe` wrote.

        Raises:
            ConfigError: If a value does not fit.
            CheckpointError: If a value is of another type.
        """
        size = Preprocessing.from_dict(values.get("preprocessing") or {})
        towers = siglip_towers(values)
        return cls(*towers, values.get("pad_id", -1), size)


def siglip_towers(values: Mapping[str, Any]) -> tuple[SiglipTextGeometry, SiglipVisionGeometry]:
    """Read the towers of a `config.json` of `transformers`, or of `SiglipGeometry.describe`.

    Args:
        values: The config; `model_type` siglip2 states a number of patches in the place of a
            picture's size.

    Returns:
        The geometry of the text tower and of the vision tower.

    Raises:
        ConfigError: If a value is out of bounds, or there is no pooling head.
        CheckpointError: If a value is of another type.
    """
    towers = {name: dict(values.get(name) or {}) for name in ("text_config", "vision_config")}
    for name in ("bos_token_id", "eos_token_id"):
        towers["text_config"].pop(name, None)
    vision = towers["vision_config"]
    if vision.get("vision_use_head", True) is not True:
        raise ConfigError(
            "vision_use_head is false: without its pooling head the model gives no picture vector"
        )
    if values.get("model_type") == "siglip2":
        patch, count = vision.get("patch_size", 16), vision.pop("num_patches", 256)
        side = math.isqrt(count) if type(count) is int and count > 0 else 0
        if side**2 != count or type(patch) is not int:
            raise ConfigError(
                f"vision_config.num_patches must be a square number and patch_size a whole one, "
                f"got {brief(count)} and {brief(patch)}"
            )
        vision |= {"image_size": side * patch, "linear_patches": True}
    return (
        tower_geometry(SiglipTextGeometry, towers, "text_config"),
        tower_geometry(SiglipVisionGeometry, towers, "vision_config"),
    )


class SiglipEncoder(Encoder):
    """Both towers of SigLIP.

    What is aligned: a sentence (the text tower's last place) with a frame's own token (the pooling
    head's output). Patches pass the pooling head as if each were the only patch of its picture
    (values, output, MLP; Zhou et al. 2022, arXiv 2112.01071, do so for CLIP); words pass the text
    tower's head, which was trained at the last place only. Neither was trained to be compared, so
    patches and words count where a model was trained for it.

    Args:
        geometry: Sizes of the towers.

    Example:
        >>> text = SiglipTextGeometry(16, 32, 2, 1, vocab_size=20, max_position_embeddings=8)
        >>> vision = SiglipVisionGeometry(16, 32, 2, 1, image_size=8, patch_size=4)
        >>> geometry = SiglipGeometry(text, vision, 1, Preprocessing(8, (8, 8)))
        >>> encoder = SiglipEncoder(geometry)
        >>> encoder.tokens_per_frame, encoder.encode_tokens(torch.tensor([[3, 1]]))[1].shape
        (5, torch.Size([1, 2, 16]))
    """

    kind = "siglip"

    def __init__(self, geometry: SiglipGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.text_model = SiglipTextTower(geometry.text_config)
        self.vision_model = SiglipVisionTower(geometry.vision_config)
        self.logit_scale = nn.Parameter(torch.tensor([math.log(10.0)]))  # as Zhai et al. start
        self.register_buffer("logit_bias", torch.tensor([-10.0]))  # moves every score alike

    @property
    def dim(self) -> int:
        """D, the width of both towers' outputs."""
        return self.geometry.vision_config.hidden_size

    @property
    def max_words(self) -> int:
        """The most tokens the text tower has positions for."""
        return self.geometry.text_config.max_position_embeddings

    @property
    def vocab_size(self) -> int:
        """The number of token ids of the text tower."""
        return self.geometry.text_config.vocab_size

    @property
    def text_width(self) -> int:
        """The width of a token inside the text tower."""
        return self.geometry.text_config.hidden_size

    @property
    def text_blocks(self) -> int:
        """The number of blocks of the text side."""
        return self.geometry.text_config.num_hidden_layers

    @property
    def visual_width(self) -> int:
        """D: visual prompts ask the tokens, see `finereel.models.encoders.prompts`."""
        return self.dim

    @property
    def tokens_per_frame(self) -> int:
        """N: the frame's own token and the patches."""
        return self.geometry.vision_config.patches + 1

    @property
    def image_size(self) -> int:
        """Side of the square input picture in pixels."""
        return self.geometry.vision_config.image_size

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What happens to pictures."""
        return self.geometry.preprocessing

    @property
    def scale(self) -> Float[Tensor, ""]:
        """s = exp(logit_scale)."""
        return self.logit_scale.exp().squeeze()

    def describe(self) -> dict[str, Any]:
        """The geometry as JSON values."""
        return self.geometry.describe()

    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words; texts are filled up with the padding token, whatever stood there.

        Raises:
            ModelError: If there are more tokens than places.
        """
        count = input_ids.shape[1]
        if count > self.max_words:
            raise ModelError(f"expected at most {self.max_words} tokens a text, got {count}")
        ids = torch.full(
            (len(input_ids), self.max_words), self.geometry.pad_id, device=input_ids.device
        )
        ids[:, :count] = input_ids if mask is None else torch.where(mask, input_ids, ids[:, :count])
        tokens = self.text_model(ids, prompts)
        return tokens[:, -1], tokens[:, :count]

    def encode_frames(
        self,
        frames: Float[Tensor, "V F 3 H H"] | Float[Tensor, "V F N D"],
        frame_mask: Bool[Tensor, "V F"],
    ) -> Float[Tensor, "V F N D"]:
        """The pooled token and the patches of every frame; padded frames become zeros. Tokens this
        tower gave before pass unchanged.
        """
        if frames.ndim != PIXEL_AXES:
            return torch.where(frame_mask[..., None, None], frames, 0.0)
        return scattered(self.vision_model(frames[frame_mask]), frame_mask)

    def encode_prompted(
        self, frames: Float[Tensor, "V F ..."], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """The tokens of `encode_frames`, and a frame vector that the visual prompts, as queries,
        make of them.

        Raises:
            ConfigError: If the settings let the prompts pass the tower.
        """
        return pooled_prompts(self.encode_frames(frames, frame_mask), prompts)


class SiglipTextTower(TextTower):
    """The text transformer, which attends in both directions, and its head."""

    def __init__(self, config: SiglipTextGeometry) -> None:
        super().__init__(config)
        self.head = nn.Linear(config.hidden_size, config.projection_size or config.hidden_size)

    def forward(
        self, input_ids: Int64[Tensor, "T W"], prompts: Float[Tensor, "*blocks n E"] | None = None
    ) -> Float[Tensor, "T W D"]:
        """Every token through the head; prompts stand before the first and are left out again."""
        hidden = entered(self.embeddings(input_ids), prompts, at=0)
        for number, block in enumerate(self.encoder.layers):
            hidden = block(exchanged(hidden, prompts, number, at=0))
        tokens: Tensor = self.head(self.final_layer_norm(left(hidden, prompts, at=0)))
        return tokens


class SiglipVisionTower(nn.Module):
    """The vision transformer (`embeddings`, `encoder.layers`, `post_layernorm`) and its pooling
    head.
    """

    def __init__(self, config: SiglipVisionGeometry) -> None:
        super().__init__()
        self.embeddings = SiglipEmbeddings(config)
        self.encoder = Blocks(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.head = PoolingHead(config)

    def forward(self, pixels: Float[Tensor, "B 3 H H"]) -> Float[Tensor, "B N D"]:
        """The pooled token, then the patches."""
        hidden: Tensor = self.embeddings(pixels)
        for block in self.encoder.layers:
            hidden = block(hidden)
        tokens: Tensor = self.head(self.post_layernorm(hidden))
        return tokens


class SiglipEmbeddings(nn.Module):
    """The patches of a picture, plus their places."""

    def __init__(self, config: SiglipVisionGeometry) -> None:
        super().__init__()
        self.patch_size = config.patch_size
        self.patch_embedding: nn.Linear | nn.Conv2d = (
            nn.Linear(3 * config.patch_size**2, config.hidden_size)
            if config.linear_patches
            else nn.Conv2d(3, config.hidden_size, config.patch_size, config.patch_size)
        )
        self.position_embedding = nn.Embedding(config.patches, config.hidden_size)

    def forward(self, pixels: Float[Tensor, "B 3 H H"]) -> Float[Tensor, "B N E"]:
        if isinstance(self.patch_embedding, nn.Linear):  # patches row by row, their colours last
            side, count = self.patch_size, pixels.shape[-1] // self.patch_size
            cut = pixels[..., : count * side, : count * side]
            squares = cut.reshape(-1, 3, count, side, count, side).permute(0, 2, 4, 3, 5, 1)
            patches = self.patch_embedding(squares.flatten(3).flatten(1, 2))
        else:
            patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        embedded: Tensor = patches + self.position_embedding.weight
        return embedded


class PoolingHead(nn.Module):
    """Attention of one learned query (`probe`) over the patches, then an MLP."""

    def __init__(self, config: SiglipVisionGeometry) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.randn(1, 1, config.hidden_size))
        self.attention = nn.MultiheadAttention(
            config.hidden_size, config.num_attention_heads, batch_first=True
        )
        self.layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Mlp(config)

    def forward(self, patches: Float[Tensor, "B N E"]) -> Float[Tensor, "B n E"]:
        """The pooled token; then every patch as if it were the only one."""
        probe = self.probe.expand(len(patches), -1, -1)
        pooled = self.attention(probe, patches, patches, need_weights=False)[0]
        width = patches.shape[-1]
        weight, bias = self.attention.in_proj_weight, self.attention.in_proj_bias
        values = nn.functional.linear(patches, weight[2 * width :], bias[2 * width :])
        joined = torch.cat([pooled, self.attention.out_proj(values)], 1)
        headed: Tensor = joined + self.mlp(self.layernorm(joined))
        return headed
