"""BERT's transformer, with the parameter names and the arithmetic of `transformers`' `BertModel`.

Why not `transformers` itself: see `finereel.models.encoders.towers`. Attention runs in both
directions, so padding is masked. Tests hold this module against `transformers.BertModel`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn.functional import dropout, scaled_dot_product_attention

from finereel.config import require_between
from finereel.errors import ConfigError
from finereel.models.encoders.prompts import entered, exchanged, left
from finereel.models.encoders.towers import Activation


@dataclass(frozen=True)
class BertGeometry:
    """Sizes of the transformer, named as in `config.json` of a BERT directory."""

    vocab_size: int = 30_522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    pad_token_id: int = 0
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1

    def __post_init__(self) -> None:
        widths = dict.fromkeys(("hidden_size", "num_attention_heads"), (1, 16_384))
        sizes = {
            "vocab_size": (3, 1 << 20),
            "num_hidden_layers": (0, 128),
            "intermediate_size": (1, 65_536),
            "max_position_embeddings": (2, 16_384),
            "type_vocab_size": (1, 16),
            "pad_token_id": (0, 1 << 20),
        }
        require_between(self, widths | sizes)
        rates = ("hidden_dropout_prob", "attention_probs_dropout_prob")
        require_between(self, dict.fromkeys(rates, (0.0, 0.99)) | {"layer_norm_eps": (1e-15, 1.0)})
        if self.hidden_size % self.num_attention_heads:
            raise ConfigError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads "
                f"{self.num_attention_heads}"
            )

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> "BertGeometry":
        """Read the settings of a `transformers` BERT config that decide the arithmetic.

        Args:
            values: The config as a dictionary; other settings in it are ignored.

        Returns:
            The geometry.

        Raises:
            ConfigError: If a value is out of bounds, or positions are not absolute.
        """
        positions = values.get("position_embedding_type", "absolute")
        if positions != "absolute":
            raise ConfigError(
                f"position_embedding_type {positions!r} is not supported: expected 'absolute'"
            )
        names = [part.name for part in fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})


class BertTower(nn.Module):
    """`embeddings` and `encoder.layer` of BERT; no pooler.

    Args:
        config: Sizes of the transformer.

    Example:
        >>> import torch
        >>> small = BertGeometry(10, 8, 1, 2, 16)
        >>> ids = torch.tensor([[1, 5, 2, 0]])
        >>> BertTower(small)(ids, ids != 0).shape
        torch.Size([1, 4, 8])
    """

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.config = config
        self.embeddings = BertEmbeddings(config)
        self.encoder = BertBlocks(config)

    def forward(
        self,
        input_ids: Int64[Tensor, "T W"],
        mask: Bool[Tensor, "T W"],
        prompts: Float[Tensor, "*blocks n E"] | None = None,
    ) -> Float[Tensor, "T W E"]:
        """The last hidden states; those of padding are undefined.

        prompts: vectors between the start token and the first word, without a place of their own;
        their own states are left out.
        """
        hidden = entered(self.embeddings(input_ids), prompts)
        if prompts is not None:
            of_prompts = mask.new_ones(len(mask), prompts.shape[-2])
            mask = torch.cat([mask[:, :1], of_prompts, mask[:, 1:]], 1)
        seen = mask[:, None, None, :]
        for number, block in enumerate(self.encoder.layer):
            hidden = block(exchanged(hidden, prompts, number), seen)
        return left(hidden, prompts)


class BertEmbeddings(nn.Module):
    """Tokens plus their places plus the type of the first segment, normalised."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, input_ids: Int64[Tensor, "T W"]) -> Float[Tensor, "T W E"]:
        summed = (
            self.word_embeddings(input_ids)
            + self.position_embeddings.weight[: input_ids.shape[1]]
            + self.token_type_embeddings.weight[0]
        )
        embedded: Tensor = self.dropout(self.LayerNorm(summed))
        return embedded


class BertBlocks(nn.Module):
    """The blocks in order, as `layer`."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.layer = nn.ModuleList(BertBlock(config) for _ in range(config.num_hidden_layers))


class BertBlock(nn.Module):
    """A post-LN block: attention, then an MLP, each added to what came in and normalised."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.attention = BertAttention(config)
        self.intermediate = BertWiden(config)
        self.output = BertOutput(config.intermediate_size, config)

    def forward(
        self, hidden: Float[Tensor, "T W E"], seen: Bool[Tensor, "T 1 1 W"]
    ) -> Float[Tensor, "T W E"]:
        hidden = self.attention(hidden, seen)
        passed: Tensor = self.output(self.intermediate(hidden), hidden)
        return passed


class BertAttention(nn.Module):
    """Self-attention (`self`) and its output (`output`)."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.self = BertSelfAttention(config)
        self.output = BertOutput(config.hidden_size, config)

    def forward(
        self, hidden: Float[Tensor, "T W E"], seen: Bool[Tensor, "T 1 1 W"]
    ) -> Float[Tensor, "T W E"]:
        attended: Tensor = self.output(self.self(hidden, seen), hidden)
        return attended


class BertSelfAttention(nn.Module):
    """Multi-head attention over the tokens of a text."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.num_heads = config.num_attention_heads
        self.share = config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(
        self, hidden: Float[Tensor, "T W E"], seen: Bool[Tensor, "T 1 1 W"]
    ) -> Float[Tensor, "T W E"]:
        queries, keys, values = (
            project(hidden).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.query, self.key, self.value)
        )
        share = self.share if self.training else 0.0
        attended = scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen, dropout_p=share
        )
        return attended.transpose(1, 2).flatten(2)


class BertWiden(nn.Module):
    """The first layer of the MLP."""

    def __init__(self, config: BertGeometry) -> None:
        super().__init__()
        self.dense = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = Activation(config.hidden_act)

    def forward(self, hidden: Float[Tensor, "T W E"]) -> Float[Tensor, "T W M"]:
        wide: Tensor = self.activation(self.dense(hidden))
        return wide


class BertOutput(nn.Module):
    """A linear layer back to the width, added to what came in, normalised."""

    def __init__(self, given: int, config: BertGeometry) -> None:
        super().__init__()
        self.dense = nn.Linear(given, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.share = config.hidden_dropout_prob

    def forward(
        self, hidden: Float[Tensor, "T W M"], residual: Float[Tensor, "T W E"]
    ) -> Float[Tensor, "T W E"]:
        narrow: Tensor = dropout(self.dense(hidden), self.share, self.training)
        normed: Tensor = self.LayerNorm(narrow + residual)
        return normed
