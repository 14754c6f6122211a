"""CLIP's text transformer: token ids to a sentence vector and word vectors."""

from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


def encode_tokens(
    tower: Any,
    projection: nn.Linear,
    input_ids: Int64[Tensor, "T W"],
    prompts: Float[Tensor, "n E"] | None = None,
    end_id: int | None = None,
) -> tuple[Float[Tensor, "T D"], Float[Tensor, "T W D"]]:
    """Sentence (the hidden state at the first end-of-text token) and one vector per token.

    tower: a `finereel.models.encoders.towers.TextTower`. end_id: the end-of-text token; None for
    the highest id of a text, as in CLIP's own vocabulary. Attention is causal and padding follows
    the end of text, so padding cannot reach either. prompts: vectors between the start token and
    the first word, without a place of their own, so that words keep theirs; their own outputs are
    left out.
    """
    if not len(input_ids):  # transformers cannot reshape an empty batch
        empty = projection.weight.new_zeros(0, projection.out_features)
        return empty, empty[:, None].expand(0, input_ids.shape[1], -1)
    hidden = tower.embeddings(input_ids=input_ids)
    if prompts is not None:
        hidden = torch.cat(
            [hidden[:, :1], prompts.expand(len(hidden), -1, -1).to(hidden), hidden[:, 1:]], 1
        )
    width = hidden.shape[1]
    causal = torch.full(
        (width, width), float("-inf"), dtype=hidden.dtype, device=hidden.device
    ).triu(1)
    for block in tower.encoder.layers:
        hidden = block(hidden, attention_mask=causal[None, None])
    if prompts is not None:
        hidden = torch.cat([hidden[:, :1], hidden[:, 1 + len(prompts) :]], 1)
    words = projection(tower.final_layer_norm(hidden))
    end = input_ids.argmax(-1) if end_id is None else (input_ids == end_id).int().argmax(-1)
    return words[torch.arange(len(words), device=words.device), end], words
