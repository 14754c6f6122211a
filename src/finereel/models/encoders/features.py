"""An encoder for precomputed tokens: an adapter for any backbone's frame and patch tokens, and a
text tower.

For people who have features and no GPU: the backbone ran once, somewhere; what trains here is the
text tower, the adapter, the temporal encoder and the head.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import gelu

from finereel.config import require_between, to_dict
from finereel.errors import ConfigError
from finereel.models.encoders.base import Encoder
from finereel.models.encoders.geometry import TextGeometry
from finereel.models.encoders.prompts import Prompts, pooled_prompts
from finereel.models.encoders.towers import TextTower, encode_tokens

_HEAD_WIDTH = 64


@dataclass(frozen=True)
class FeatureGeometry:
    """Sizes of a model on precomputed tokens.

    dim: D of the shared space; token_dim: width of the given tokens; tokens_per_frame: N, the
    frame's own token included; hidden: width of the adapter's hidden layer (0: linear); backbone:
    what made the tokens, which is part of the model's identity; dropout: of single numbers;
    patch_dropout: of whole patches, in what a frame's own token averages; both in training only;
    text_*: the text tower; bag_of_words: a vector per token beside it, without order.
    """

    dim: int
    token_dim: int
    tokens_per_frame: int
    vocab_size: int
    backbone: str = "unnamed"
    hidden: int = 0
    dropout: float = 0.0
    patch_dropout: float = 0.0
    text_width: int = 128
    text_blocks: int = 2
    text_positions: int = 77
    bag_of_words: bool = False

    def __post_init__(self) -> None:
        widths = dict.fromkeys(("dim", "token_dim", "text_width", "tokens_per_frame"), (1, 16_384))
        sizes = {"vocab_size": (3, 1 << 20), "hidden": (0, 65_536), "text_blocks": (0, 128)}
        require_between(self, widths | sizes | {"text_positions": (2, 16_384)})
        require_between(self, dict.fromkeys(("dropout", "patch_dropout"), (0.0, 0.99)))
        if self.text_width % _heads(self.text_width):
            raise ConfigError(
                f"text_width {self.text_width} does not divide among its {_heads(self.text_width)} "
                "attention heads: "
                "take a multiple of 64"
            )


class FeatureEncoder(Encoder):
    """A text tower and an adapter of precomputed tokens; what `ClipEncoder` offers, for frames that
    are tokens already.

    Args: geometry. Tokens pass LayerNorm, dropout and a linear map to D, plus a hidden layer where
    asked.
    """

    kind = "features"
    takes_pixels = False

    def __init__(self, geometry: FeatureGeometry) -> None:
        super().__init__()
        self.geometry = geometry
        self.text_model = TextTower(_text_geometry(geometry))
        self.text_projection = nn.Linear(geometry.text_width, geometry.dim, bias=False)
        self.bag_of_words = (
            BagOfWords(geometry.vocab_size, geometry.dim) if geometry.bag_of_words else None
        )
        self.adapter = TokenAdapter(geometry)
        self.logit_scale = nn.Parameter(torch.tensor(2.6592))  # ln(1 / 0.07), as CLIP starts

    @property
    def dim(self) -> int:
        """D, the width of the shared space."""
        return self.geometry.dim

    @property
    def max_words(self) -> int:
        """The most tokens the text tower has positions for."""
        return self.geometry.text_positions

    @property
    def vocab_size(self) -> int:
        """The number of token ids of the text tower."""
        return self.geometry.vocab_size

    @property
    def text_width(self) -> int:
        """The width of a token inside the text tower."""
        return self.geometry.text_width

    @property
    def text_blocks(self) -> int:
        """The number of blocks of the text side."""
        return self.geometry.text_blocks

    @property
    def tokens_per_frame(self) -> int:
        """N, as the features come."""
        return self.geometry.tokens_per_frame

    @property
    def causal_text_tower(self) -> Any:
        """The text transformer."""
        return self.text_model

    def describe(self) -> dict[str, Any]:
        """Geometry as JSON values; `encoder_from_description` builds the same encoder again."""
        return to_dict(self.geometry)

    @property
    def visual_width(self) -> int:
        """Width of a visual prompt: there is no tower to pass, so it asks the adapted tokens."""
        return self.dim

    def encode_tokens(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"] | None = None,
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words, see `finereel.models.encoders.towers`; those of the bag of words
        are added.
        """
        sentence, words = encode_tokens(self.text_model, self.text_projection, input_ids, prompts)
        if self.bag_of_words is None:
            return sentence, words
        plain_sentence, plain_words = self.bag_of_words(input_ids)
        return sentence + plain_sentence, words + plain_words

    def encode_frames(
        self, frames: Float[Tensor, "V F N E"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N D"]:
        """All N tokens of every frame in the shared space, the frame's own token first; padded
        frames become zeros.
        """
        given = self.frozen_tokens(frames, frame_mask)
        if self.training and self.geometry.patch_dropout:
            given = drop_patches(given, self.geometry.patch_dropout)
        adapted: Tensor = self.adapter(given)
        return adapted

    def frozen_tokens(
        self, frames: Float[Tensor, "V F N E"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V F N E"]:
        """The tokens as they were given, padded frames as zeros."""
        return torch.where(frame_mask[..., None, None], frames, 0.0)

    def mean_frame(
        self, tokens: Float[Tensor, "V F N E"], frame_mask: Bool[Tensor, "V F"]
    ) -> Float[Tensor, "V E"]:
        """The mean of a clip's frame tokens as the adapter's linear map gets them."""
        own: Tensor = self.adapter.norm(torch.where(frame_mask[..., None], tokens[:, :, 0], 0.0))
        return (own * frame_mask[..., None]).sum(1) / frame_mask.sum(1, keepdim=True).clamp_min(1)

    def encode_prompted(
        self, frames: Float[Tensor, "V F N E"], frame_mask: Bool[Tensor, "V F"], prompts: Prompts
    ) -> tuple[Float[Tensor, "V F N D"], Float[Tensor, "V F D"]]:
        """The tokens of `encode_frames`, and a frame vector that the visual prompts, as queries,
        make of them.

        Raises ConfigError for settings that speak of the inside of a vision tower.
        """
        return pooled_prompts(self.encode_frames(frames, frame_mask), prompts)


def drop_patches(tokens: Float[Tensor, "V F N E"], share: float) -> Float[Tensor, "V F N E"]:
    """The frame's own token moved as if a random share of its patches were not there; the patches
    stay.

    A frame token that is the mean of its patches becomes the mean of those that are left.

    >>> frame = torch.tensor([[[[2.0], [1.0], [3.0]]]])
    >>> float(drop_patches(frame, 0.5)[0, 0, 0, 0]) in (1.0, 2.0, 3.0)
    True
    """
    own, patches = tokens[:, :, :1], tokens[:, :, 1:]
    left = (torch.rand(*patches.shape[:3], 1, device=tokens.device) >= share).to(tokens.dtype)
    left = torch.where(left.sum(2, keepdim=True) > 0, left, 1.0)
    kept_mean = (patches * left).sum(2, keepdim=True) / left.sum(2, keepdim=True)
    return torch.cat([own + kept_mean - patches.mean(2, keepdim=True), patches], 2)


class TokenAdapter(nn.Module):
    """LayerNorm, dropout, linear; plus a residual hidden layer where `geometry.hidden` asks for
    one.
    """

    def __init__(self, geometry: FeatureGeometry) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(geometry.token_dim)
        self.dropout = nn.Dropout(geometry.dropout)
        self.linear = nn.Linear(geometry.token_dim, geometry.dim)
        self.widen = nn.Linear(geometry.token_dim, geometry.hidden) if geometry.hidden else None
        self.narrow = (
            nn.Linear(geometry.hidden, geometry.dim, bias=False) if geometry.hidden else None
        )

    def forward(self, tokens: Float[Tensor, "V F N E"]) -> Float[Tensor, "V F N D"]:
        hidden = self.dropout(self.norm(tokens))
        adapted: Tensor = self.linear(hidden)
        if self.widen is None or self.narrow is None:
            return adapted
        wide: Tensor = self.narrow(self.dropout(gelu(self.widen(hidden))))
        return adapted + wide


def _heads(width: int) -> int:
    return max(1, width // _HEAD_WIDTH)


def _text_geometry(geometry: FeatureGeometry) -> TextGeometry:
    return TextGeometry(
        hidden_size=geometry.text_width,
        intermediate_size=4 * geometry.text_width,
        num_attention_heads=_heads(geometry.text_width),
        num_hidden_layers=geometry.text_blocks,
        projection_dim=geometry.dim,
        vocab_size=geometry.vocab_size,
        max_position_embeddings=geometry.text_positions,
        bos_token_id=geometry.vocab_size - 2,
        eos_token_id=geometry.vocab_size - 1,
        pad_token_id=0,
    )


# TOKENS -> SENTENCE, without order: a vector per token, weighted by how telling the token is.
class BagOfWords(nn.Module):
    """Σ w_i e_i + b over the tokens of a text, with ||w|| = 1 and w in proportion to fixed weights
    of the tokens.

    The start token, the end of text and what follows it weigh nothing. Untrained, all vectors are
    zero. Args: vocab_size; dim = D.
    """

    weights: Tensor

    def __init__(self, vocab_size: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(vocab_size, dim)
        nn.init.zeros_(self.vectors.weight)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.register_buffer("weights", torch.ones(vocab_size))

    def forward(
        self, input_ids: Int64[Tensor, "T W"]
    ) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
        """Sentence and words.

        >>> bag = BagOfWords(6, 2)
        >>> bag.vectors.weight.data[1:3] = torch.eye(2)
        >>> bag(torch.tensor([[4, 1, 2, 5, 0]]))[0].detach()  # start, two words, end, padding
        tensor([[0.7071, 0.7071]])
        """
        vectors = self.vectors(input_ids)
        if not input_ids.numel():
            return vectors.new_zeros(len(input_ids), vectors.shape[-1]), vectors
        return token_weights(input_ids, self.weights)[:, None].bmm(vectors)[
            :, 0
        ] + self.bias, vectors


def token_weights(
    input_ids: Int64[Tensor, "T W"], weights: Float[Tensor, " vocab"]
) -> Float[Tensor, "T W"]:
    """What every position of a text weighs, rows of length 1: 0 at its ends and behind them."""
    end = input_ids.argmax(-1, keepdim=True)  # the end of text has the highest id
    places = torch.arange(input_ids.shape[1], device=input_ids.device)
    heavy = torch.where((places > 0) & (places < end), weights[input_ids], 0.0)
    length: Tensor = heavy.norm(dim=-1, keepdim=True)
    return heavy / length.clamp_min(torch.finfo(heavy.dtype).tiny)
