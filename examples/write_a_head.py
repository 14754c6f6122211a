"""Write a head of your own: the sentence against its best frame, in thirty lines, and let the
contract look at it.

    python examples/write_a_head.py

A head that should be there for every command is the same class in `finereel/models/heads/`, with
one line in `HEADS`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import HEADS, head_config, make_head
from finereel.models.heads.base import Head


class BestFrameHead(Head):
    """frame_sentence[t, v] = s · max over real frames of t · f, with unit vectors t and f.

    Clips come with unit tokens; a head that wants some at their own length names them in `raw`.
    """

    parts: ClassVar[tuple[str, ...]] = ("frame_sentence",)
    inputs: ClassVar[Mapping[str, str]] = {"frame_sentence": "frames"}

    def __init__(self, config: ModelConfig, dim: int) -> None:
        del dim  # nothing is learned
        super().__init__(config)

    def prepare_text(self, text: TextFeatures) -> TextFeatures:
        """Unit sentences."""
        return replace(text, sentence=normalize(text.sentence, dim=-1))

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, Tensor]:
        """The best real frame of every clip for every sentence, (T, V)."""
        sim_TVF = torch.einsum("td,vfd->tvf", text.sentence, video.frames)
        return {"frame_sentence": sim_TVF.masked_fill(~video.frame_mask, -torch.inf).amax(-1)}

    def pair_bytes(self, text: TextFeatures, video: VideoFeatures) -> int:
        """Two copies of the similarities with every frame."""
        return 2 * video.frames.shape[1] * text.sentence.element_size()


def main() -> None:
    """Score three texts against two clips, and show that padding does not count."""
    HEADS["best_frame"] = BestFrameHead
    head = make_head(head_config("best_frame"), 8)
    random = torch.Generator().manual_seed(0)
    text = TextFeatures(
        torch.randn(3, 8, generator=random),
        torch.randn(3, 5, 8, generator=random),
        torch.ones(3, 5, dtype=torch.bool),
    )
    frames = torch.randn(2, 4, 8, generator=random)
    mask = torch.tensor([[True, True, True, True], [True, True, False, False]])
    video = VideoFeatures(frames.mean(1), frames, frames[:, :0], mask, mask[:, :0])
    scores = head.score(text, video, torch.tensor(100.0)).fused
    print(scores)
    perfect = frames.clone()
    perfect[1, 2] = text.sentence[0]
    again = head.score(text, replace(video, frames=perfect), torch.tensor(100.0)).fused
    assert torch.equal(scores, again), "a frame under the mask changed a score"
    print("a perfect match under the mask changes nothing")


if __name__ == "__main__":
    main()
