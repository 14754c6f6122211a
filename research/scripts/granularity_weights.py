"""Compare weights of the three granularities on the validation split of a data set.

    python -m research.scripts.granularity_weights --model DIR --data msrvtt_frames \
        --annotations DIR --features TOKENS
"""

import argparse
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from finereel import data as datasets
from finereel.data.sources import SourceOptions, open_source
from finereel.evaluation.gallery import score_split
from finereel.models.saving import load

GRANULARITIES = ("video_sentence", "frame_sentence", "patch_word")
WEIGHTS = ((1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 1, 0.5), (1, 1, 1), (1, 1, 2))
_KS = (1, 5, 10)


def recalls(
    scores: Float[Tensor, "T V"], video_of_text: Int64[Tensor, " T"]
) -> tuple[float, float, float]:
    """R@1, R@5 and R@10 of texts in percent; ties count as found.

    >>> recalls(torch.tensor([[3.0, 1.0], [2.0, 1.0]]), torch.tensor([0, 1]))
    (50.0, 100.0, 100.0)
    """
    own = scores.gather(1, video_of_text[:, None])
    better = (scores > own).sum(1)
    first, five, ten = (100 * float((better < k).float().mean()) for k in _KS)
    return first, five, ten


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--annotations", type=Path, required=True)
    parser.add_argument("--features", type=Path)
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--captions", type=int, default=5, help="most captions of a video")
    given = parser.parse_args()
    model = load(given.model)
    options = SourceOptions(
        features=given.features,
        videos=given.videos,
        num_frames=model.num_frames,
        image_size=model.encoder.image_size,
        preprocessing=model.encoder.preprocessing,
    )
    split = datasets.load(given.data, given.annotations).split("val").first_captions(given.captions)
    scored = score_split(model, split, open_source(given.data, options))
    parts = [torch.as_tensor(scored.scores[name]) for name in GRANULARITIES]
    print(f"| {' | '.join(GRANULARITIES)} | R@1 | R@5 | R@10 |\n|---|---|---|---|---|---|")
    for weights in WEIGHTS:
        fused = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        found = recalls(torch.as_tensor(fused), torch.from_numpy(split.video_of_caption))
        print(f"| {' | '.join(map(str, weights))} | {' | '.join(f'{r:.1f}' for r in found)} |")


if __name__ == "__main__":
    main()
