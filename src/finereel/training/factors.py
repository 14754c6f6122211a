"""Factor supervision: also predict the factors of a rendered scene while the towers are untrained.

Contrastive training from scratch needs many batches before words and pictures find each other.
ReelWorld knows every factor of a scene, so the first stage also asks both towers for them, through
*shared* linear prototypes: a clip and a text of one factor value are pulled to the same direction.
The prototypes are thrown away with the stage.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

UNKNOWN = -1
_SHARPNESS = 10.0


class FactorSupervision(nn.Module):
    """Args: dim = D; sizes: number of values of every factor, in the order of the labels."""

    def __init__(self, dim: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.prototypes = nn.ModuleList(nn.Linear(dim, size) for size in sizes)

    def forward(
        self, features: Float[Tensor, "B D"], labels: Int64[Tensor, "B K"]
    ) -> Float[Tensor, ""]:
        """Mean cross-entropy over the factors; a label of -1 (not said, not visible) does not
        count.
        """
        unit = _SHARPNESS * normalize(features, dim=-1)
        known = [
            number
            for number in range(len(self.prototypes))
            if bool((labels[:, number] != UNKNOWN).any())
        ]
        losses = [
            cross_entropy(self.prototypes[number](unit), labels[:, number], ignore_index=UNKNOWN)
            for number in known
        ]
        return torch.stack(losses).mean() if losses else unit.sum() * 0.0
