"""The contrastive loss of both papers."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import cross_entropy


def symmetric_infonce(logits: Float[Tensor, "B B"]) -> Float[Tensor, ""]:
    """(CE over rows + CE over columns) / 2 with the diagonal as truth. Source: UCoFiA
    `until_module.py:182-191`.

    >>> round(float(symmetric_infonce(torch.zeros(4, 4))), 4)  # ln 4
    1.3863
    """
    truth = torch.arange(len(logits), device=logits.device)
    return (cross_entropy(logits, truth) + cross_entropy(logits.T, truth)) / 2
