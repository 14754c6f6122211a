"""TS2-Net's head against a slow reference."""

import math

import pytest
import torch

from finereel.models.heads import head_config, make_head
from slow_scores import SCALE, Side, assert_head_agrees, softmax, unit
from tiny_models import DIM, FRAMES, WORDS, random_text, random_video


def reference(
    state: Side, text: Side, video: Side, published: bool, tokens_per_frame: int = 4
) -> dict[str, float]:
    mask, count = video["frame_mask"], len(video["frame_mask"])
    frames = [f for f in range(count) if mask[(tokens_per_frame * f) % count if published else f]]
    cosines = [float(unit(text["sentence"]) @ unit(video["contextual"][f])) for f in frames]
    length = math.sqrt(sum(x * x for x in cosines))
    weights = softmax([4 * x / length for x in cosines])
    return {"frame_sentence": SCALE * sum(w * x for w, x in zip(weights, cosines, strict=True))}


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("patches", [3, 2])
def test_agrees_with_the_slow_reference(published: bool, patches: int) -> None:
    assert_head_agrees(
        "ts2net",
        lambda *given: reference(*given, published, patches + 1),
        mask_padding=not published,
        patches_per_frame=patches,
    )


def test_sharper_than_a_mean_softer_than_the_best() -> None:
    head = make_head(head_config("ts2net", max_words=WORDS, max_frames=FRAMES), DIM)
    text, video = random_text(3), random_video(8).rows(torch.tensor([3, 7]))
    video = type(video)(
        video.video, video.frames, video.patches, video.frame_mask, video.patch_mask, video.frames
    )
    cosines = torch.nn.functional.cosine_similarity(
        text.sentence[:, None, None], video.frames, dim=-1
    )
    found = head.score(text, video, torch.tensor(1.0)).fused
    assert (found > cosines.mean(-1)).all()
    assert (found < cosines.amax(-1)).all()
