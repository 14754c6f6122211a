"""A training batch: texts, their clips and, for rendered scenes, the factors of both."""

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B clips and T = B texts; row i of one belongs to row i of the other.

    frames: what `encoder.to_input` takes: pixels at the model's size, or precomputed tokens (B F N
    E). Factors, where a world tells them: which value each of K factors has in the clip and in the
    text, -1 for unknown.
    candidates: for the fine-grained loss, N captions of every clip, its own one first and then its
    negatives.
    """

    frames: UInt8[Tensor, "B F H H 3"] | Float[Tensor, "B F N E"]
    frame_mask: Bool[Tensor, "B F"]
    input_ids: Int64[Tensor, "T W"]
    text_mask: Bool[Tensor, "T W"]
    video_factors: Int64[Tensor, "B K"] | None = None
    text_factors: Int64[Tensor, "T K"] | None = None
    candidates: "CandidateCaptions | None" = None

    def __len__(self) -> int:
        return len(self.frames)

    def to(self, device: torch.device) -> "Batch":
        """The same batch on a device."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(
            self,
            **{name: tensor.to(device) for name, tensor in given.items() if tensor is not None},
        )


@dataclass(frozen=True)
class CandidateCaptions:
    """N captions for each of B clips: slot 0 is the clip's own, whole; the others are its
    negatives.

    real: False where a caption has too few negatives; what stands there counts for nothing.
    """

    input_ids: Int64[Tensor, "B N W"]
    text_mask: Bool[Tensor, "B N W"]
    real: Bool[Tensor, "B N"]

    def to(self, device: torch.device) -> "CandidateCaptions":
        """The same candidates on a device."""
        return CandidateCaptions(
            self.input_ids.to(device), self.text_mask.to(device), self.real.to(device)
        )


def without_repeated_texts(batch: Batch) -> Batch:
    """Rows that repeat the text of the row above (moments of one scene) teach the text tower
    nothing new.
    """
    new = torch.ones(len(batch.input_ids), dtype=torch.bool, device=batch.input_ids.device)
    new[1:] = (batch.input_ids[1:] != batch.input_ids[:-1]).any(1)
    factors = None if batch.text_factors is None else batch.text_factors[new]
    return replace(
        batch, input_ids=batch.input_ids[new], text_mask=batch.text_mask[new], text_factors=factors
    )
