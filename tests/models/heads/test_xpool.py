"""X-Pool's head against a slow reference written from the published layers, and how it starts."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from finereel.models.heads import head_config, make_head
from slow_scores import SCALE, Side, assert_head_agrees, real, softmax, unit
from tiny_models import DIM, FRAMES, WORDS, random_text, random_video


def layer_norm(x: np.ndarray, state: Side, name: str) -> np.ndarray:
    centred = x - x.mean()
    scaled = centred / math.sqrt(float((centred**2).mean()) + 1e-5)
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: np.ndarray, state: Side, name: str) -> np.ndarray:
    return state[f"{name}.weight"] @ x + state[f"{name}.bias"]


def reference(state: Side, text: Side, video: Side, published: bool) -> dict[str, float]:
    """Value, sum over frames, output: in the published order, where the head puts output first."""
    sentence = text["sentence"]
    query = linear(layer_norm(sentence, state, "given_norm"), state, "query")
    logits, values = [], []
    for place in real(video["frame_mask"], published):
        frame = layer_norm(unit(video["frames"][place]) * math.sqrt(DIM), state, "given_norm")
        logits.append(float(query @ linear(frame, state, "key")) / math.sqrt(DIM))
        values.append(linear(frame, state, "value"))
    pooled = sum(w * value for w, value in zip(softmax(logits), values, strict=True))
    attended = layer_norm(linear(pooled, state, "output"), state, "attended_norm")
    out = layer_norm(attended + linear(attended, state, "feed_forward"), state, "pooled_norm")
    return {"frame_sentence": SCALE * float(unit(sentence) @ unit(out))}


@pytest.mark.parametrize("published", [False, True])
def test_agrees_with_the_slow_reference(published: bool) -> None:
    assert_head_agrees(
        "xpool", lambda *given: reference(*given, published), mask_padding=not published
    )


def test_published_settings_and_start() -> None:
    """Identities and zeros, dropout 0.3, no temporal encoder, no shift."""
    config = head_config("xpool", max_words=WORDS, max_frames=FRAMES)
    assert (config.temporal, config.shifted_blocks, config.head_dropout) == ("meanP", (), 0.3)
    head = make_head(config, DIM)
    assert head.dropout.p == 0.3
    for layer in (head.query, head.key, head.value, head.output, head.feed_forward):
        assert torch.equal(layer.weight, torch.eye(DIM))
        assert not layer.bias.any()


def test_the_length_of_a_frame_does_not_matter_as_where_norms_follow() -> None:
    """What the module's text says of unit frames: beside frames at their own length, N₁ differs by
    its epsilon.
    """
    head = make_head(head_config("xpool", max_words=WORDS, max_frames=FRAMES), DIM).double()
    raw = 10 * torch.nn.functional.normalize(random_video(1).frames[0].double(), dim=-1)  # CLIP's
    stored = torch.nn.functional.normalize(raw, dim=-1) * DIM**0.5
    torch.testing.assert_close(head.given_norm(raw), head.given_norm(stored), rtol=1e-4, atol=1e-5)


def test_dropout_is_of_training_only() -> None:
    head = make_head(head_config("xpool", max_words=WORDS, max_frames=FRAMES), DIM)
    text, video, scale = random_text(3), random_video(2), torch.tensor(SCALE)
    with torch.no_grad():
        first, second = (head.train().score(text, video, scale).fused for _ in range(2))
        assert not torch.equal(first, second)
        first, second = (head.eval().score(text, video, scale).fused for _ in range(2))
        assert torch.equal(first, second)


def test_the_sentence_chooses_the_frame() -> None:
    """A clip of two unlike frames scores for each of them more than their mean does."""
    head = make_head(head_config("xpool", max_words=WORDS, max_frames=2), DIM).eval()
    frames = torch.randn(1, 2, DIM, generator=torch.Generator().manual_seed(5))
    mask = torch.ones(1, 2, dtype=torch.bool)
    video = replace(random_video(1, frames=2), frames=frames, frame_mask=mask)
    alike = replace(video, frames=frames.mean(1, keepdim=True).expand(1, 2, DIM).contiguous())
    text = replace(random_text(2), sentence=frames[0])
    with torch.no_grad():
        apart, mean = (
            head.score(text, clip, torch.tensor(1.0)).fused[:, 0] for clip in (video, alike)
        )
    assert (apart > mean).all()
