"""A sentence vector without word order: one vector per token, weighted by how informative the token
is.

What some thousands of videos can teach a text tower from scratch is mostly which word goes with
which picture. That part has a closed form (`finereel.training.closed_form`), which a transformer on
top of it then starts from.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn


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
