"""CLIP's two transformers, with the parameter names and the arithmetic of `transformers`'
`CLIPModel`.

Importing `transformers` for them takes three times as long as a search itself: it brings its loss
functions, its compiler and its distributed code along. Tests hold these modules against
`transformers.CLIPModel`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import dropout, scaled_dot_product_attention

from finereel.errors import unknown_name
from finereel.models.encoders.geometry import (
    ClipGeometry,
    TextGeometry,
    TowerGeometry,
    VisionGeometry,
)
from finereel.models.encoders.prompts import entered, exchanged, left

Kernel = Literal["sdpa", "eager"]


class ClipTowers(nn.Module):
    """Both towers, their projections into the shared space, and ln s.

    Freshly made, the weights are drawn as CLIP's are: N(0, std) by layer, biases 0.
    """

    def __init__(self, config: ClipGeometry) -> None:
        super().__init__()
        self.config = config
        self.text_model = self._text_tower()
        self.vision_model = VisionTower(config.vision_config)
        self.visual_projection = nn.Linear(
            config.vision_config.hidden_size, config.projection_dim, bias=False
        )
        self.text_projection = nn.Linear(
            config.text_config.hidden_size, config.projection_dim, bias=False
        )
        self.logit_scale = nn.Parameter(torch.tensor(config.logit_scale_init_value))
        for projection in (
            self.visual_projection,
            self.text_projection,
            self.text_projection,
            self.visual_projection,
        ):
            nn.init.normal_(projection.weight, std=projection.in_features**-0.5)

    def _text_tower(self) -> Any:
        return TextTower(self.config.text_config)

    def set_kernel(self, kernel: Kernel) -> None:
        """How attention is computed: `sdpa`, torch's fused kernel, or `eager`, product by
        product.
        """
        for module in self.modules():
            if isinstance(module, Attention):
                module.kernel = kernel


class TextTower(nn.Module):
    """The text transformer: `embeddings`, `encoder.layers`, `final_layer_norm`."""

    def __init__(self, config: TextGeometry) -> None:
        super().__init__()
        self.config = config
        self.embeddings = TextEmbeddings(config)
        self.encoder = Blocks(config)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        for _ in range(2):
            _draw(self.embeddings)
        _draw_blocks(self.encoder)


class VisionTower(nn.Module):
    """The vision transformer: `embeddings`, `pre_layrnorm` (sic), `encoder.layers`,
    `post_layernorm`.
    """

    def __init__(self, config: VisionGeometry) -> None:
        super().__init__()
        self.config = config
        self.embeddings = VisionEmbeddings(config)
        self.pre_layrnorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.encoder = Blocks(config)
        self.post_layernorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        _draw(self.embeddings)
        nn.init.normal_(self.embeddings.class_embedding, std=config.hidden_size**-0.5)
        _draw(self.embeddings)
        _draw_blocks(self.encoder)


class TextEmbeddings(nn.Module):
    """Tokens plus their places."""

    def __init__(self, config: TextGeometry) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)

    def forward(self, input_ids: Int64[Tensor, "T W"]) -> Float[Tensor, "T W E"]:
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        embedded: Tensor = self.token_embedding(input_ids) + self.position_embedding(places)
        return embedded


class VisionEmbeddings(nn.Module):
    """A class token and the patches of a picture, plus their places."""

    def __init__(self, config: VisionGeometry) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.randn(config.hidden_size))
        self.patch_embedding = nn.Conv2d(
            3, config.hidden_size, config.patch_size, config.patch_size, bias=False
        )
        self.position_embedding = nn.Embedding(
            (config.image_size // config.patch_size) ** 2 + 1, config.hidden_size
        )

    def forward(self, pixels: Float[Tensor, "B 3 H H"]) -> Float[Tensor, "B N E"]:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_embedding.expand(len(pixels), 1, -1), patches], 1)
        return tokens + self.position_embedding.weight


class Blocks(nn.Module):
    """The blocks of a tower in order, as `layers`."""

    def __init__(self, config: TowerGeometry) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(
            TransformerBlock(config) for _ in range(config.num_hidden_layers)
        )


class TransformerBlock(nn.Module):
    """A pre-LN block: attention, then an MLP, each added to what came in."""

    def __init__(self, config: TowerGeometry) -> None:
        super().__init__()
        self.width = config.hidden_size
        self.self_attn = Attention(config)
        self.layer_norm1 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.mlp = Mlp(config)
        self.layer_norm2 = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(
        self, hidden: Float[Tensor, "B N E"], attention_mask: Tensor | None = None
    ) -> Float[Tensor, "B N E"]:
        """`attention_mask` is added to the attention logits (B heads N N)."""
        hidden = hidden + self.self_attn(self.layer_norm1(hidden), attention_mask)
        passed: Tensor = hidden + self.mlp(self.layer_norm2(hidden))
        return passed


class Attention(nn.Module):
    """Multi-head self-attention."""

    def __init__(self, config: TowerGeometry) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.scale = (width // self.num_heads) ** -0.5
        self.dropout = config.attention_dropout
        self.kernel: Kernel = "sdpa"
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def forward(
        self, hidden: Float[Tensor, "B N E"], attention_mask: Tensor | None = None
    ) -> Float[Tensor, "B N E"]:
        queries, keys, values = (
            project(hidden).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        share = self.dropout if self.training else 0.0
        if self.kernel == "sdpa":
            attended = scaled_dot_product_attention(
                queries, keys, values, attn_mask=attention_mask, dropout_p=share, scale=self.scale
            )
        else:
            logits = queries @ keys.transpose(-1, -2) * self.scale
            logits = logits if attention_mask is None else logits + attention_mask
            weights = logits.softmax(-1, dtype=torch.float32).to(queries.dtype)
            attended = dropout(weights, share, self.training) @ values
        joined: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return joined


class Mlp(nn.Module):
    """Wider, an activation, and back."""

    def __init__(self, config: TowerGeometry) -> None:
        super().__init__()
        self.activation_fn = Activation(config.hidden_act)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)

    def forward(self, hidden: Float[Tensor, "B N E"]) -> Float[Tensor, "B N E"]:
        narrow: Tensor = self.fc2(self.activation_fn(self.fc1(hidden)))
        return narrow


def _draw(layers: nn.Module, stds: Sequence[float] = (0.02, 0.02, 0.02, 0.02)) -> None:
    """Draw the weights of the linear, convolutional and embedding layers right below, biases 0."""
    weighted = [
        layer
        for layer in layers.children()
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.Embedding)
    ]
    for layer, std in zip(weighted, stds, strict=False):
        nn.init.normal_(layer.weight, std=std)
        if isinstance(layer, nn.Linear):
            nn.init.zeros_(layer.bias)


def _draw_blocks(blocks: Blocks) -> None:
    """Draw the weights of a tower's blocks: narrower, the deeper the tower.

    Everything is drawn twice, as `transformers` does, so that a seed gives the weights it gave
    there.
    """
    for block in blocks.layers:
        attention, mlp = block.self_attn, block.mlp
        wide = block.width**-0.5
        narrow = wide * (2 * len(blocks.layers)) ** -0.5
        _draw(attention)
        for linear, std in (
            (attention.q_proj, narrow),
            (attention.k_proj, narrow),
            (attention.v_proj, narrow),
            (attention.out_proj, wide),
        ):
            nn.init.normal_(linear.weight, std=std)
        _draw(mlp)
        _draw(mlp, ((2 * block.width) ** -0.5, narrow))


# The activations between the two layers of an MLP, by the names that `transformers` gives them
# (`hidden_act`).
Function = Callable[[Tensor], Tensor]


def _tanh_gelu(values: Tensor) -> Tensor:
    return functional.gelu(values, approximate="tanh")


ACTIVATIONS: dict[str, Function] = {
    "gelu": functional.gelu,
    "gelu_10": lambda values: functional.gelu(values).clip(-10, 10),
    "gelu_accurate": _tanh_gelu,
    "gelu_fast": _tanh_gelu,
    "gelu_new": _tanh_gelu,
    "gelu_python": functional.gelu,
    "gelu_python_tanh": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "hardswish": functional.hardswish,
    "laplace": lambda values: (1 + torch.erf((values - 0.707107) / (0.282095 * math.sqrt(2)))) / 2,
    "leaky_relu": functional.leaky_relu,
    "linear": lambda values: values,
    "mish": functional.mish,
    "quick_gelu": lambda values: values * torch.sigmoid(1.702 * values),
    "relu": functional.relu,
    "relu2": lambda values: functional.relu(values).square(),
    "relu6": functional.relu6,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "sqrtsoftplus": lambda values: functional.softplus(values).sqrt(),
    "swish": functional.silu,
    "tanh": torch.tanh,
}
"""Those that have no weights of their own."""


class Activation(nn.Module):
    """One of ACTIVATIONS as a layer.

    >>> Activation("relu2")(torch.tensor([-1.0, 3.0]))
    tensor([0., 9.])
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if name not in ACTIVATIONS:
            raise unknown_name("activation (hidden_act)", name, ACTIVATIONS)
        self.name = name

    def forward(self, values: Tensor) -> Tensor:
        return ACTIVATIONS[self.name](values)


# TOKENS -> SENTENCE AND WORDS: CLIP's text transformer, whoever holds its weights.
def encode_tokens(
    tower: Any,
    projection: nn.Linear,
    input_ids: Int64[Tensor, "T W"],
    prompts: Float[Tensor, "*blocks n E"] | None = None,
    end_id: int | None = None,
) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
    """Sentence (the hidden state at the first end-of-text token) and one vector per token.

    tower: a `finereel.models.encoders.towers.TextTower`. end_id: the end-of-text token; None for
    the highest id of a text, as in CLIP's own vocabulary. Attention is causal and padding follows
    the end of text, so padding cannot reach either. prompts: vectors between the start token and
    the first word, without a place of their own, so that words keep theirs; their own outputs are
    left out. Deep ones: (blocks, n, E).
    """
    if not len(input_ids):  # transformers cannot reshape an empty batch
        empty = projection.weight.new_zeros(0, projection.out_features)
        return empty, empty[:, None].expand(0, input_ids.shape[1], -1)
    hidden = entered(tower.embeddings(input_ids=input_ids), prompts)
    width = hidden.shape[1]
    causal = torch.full(
        (width, width), float("-inf"), dtype=hidden.dtype, device=hidden.device
    ).triu(1)
    for number, block in enumerate(tower.encoder.layers):
        given = exchanged(hidden, prompts, number)
        hidden = block(given, attention_mask=causal[None, None])
    words = projection(tower.final_layer_norm(left(hidden, prompts)))
    end = input_ids.argmax(-1) if end_id is None else (input_ids == end_id).int().argmax(-1)
    return words[torch.arange(len(words), device=words.device), end], words
