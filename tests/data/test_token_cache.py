"""Training with a frozen vision tower: cached tokens stand for pixels, everywhere and exactly."""

from pathlib import Path

import numpy as np
import torch

from finereel.data.base import ClipArrays
from finereel.data.token_cache import cache_tokens
from tiny_models import FRAMES, IMAGE, tiny_model

VIDEOS = [f"v{number}" for number in range(5)]


class Noise:
    """A clip of noise per id; the second frame half of every second clip is padding."""

    def __init__(self) -> None:
        self.reads: list[str] = []

    @property
    def description(self) -> dict[str, str]:
        return {"source": "noise"}

    def problems(self, videos: object) -> dict[str, str]:
        return {}

    def read(self, videos: list[str]) -> ClipArrays:
        self.reads += videos
        seeds = [int(video[1:]) for video in videos]
        frames = [
            np.random.default_rng(s).integers(0, 256, (FRAMES, IMAGE, IMAGE, 3)).astype(np.uint8)
            for s in seeds
        ]
        mask = np.array([[True] * (FRAMES - s % 2) + [False] * (s % 2) for s in seeds])
        return ClipArrays(np.stack(frames), mask)


def test_tokens_give_the_features_that_pixels_give(tmp_path: Path) -> None:
    model, source = tiny_model(), Noise()
    store = cache_tokens(model, VIDEOS, source, tmp_path)
    pixels, tokens = source.read(VIDEOS), store.read(VIDEOS)
    assert np.array_equal(pixels.frame_mask, tokens.frame_mask)
    direct = model.encode_clips(pixels.frames, pixels.frame_mask)
    cached = model.encode_clips(tokens.frames, tokens.frame_mask)
    text = model.encode_text(["a red car", "a fish"])
    torch.testing.assert_close(
        model.score(text, cached).fused, model.score(text, direct).fused, rtol=0.0, atol=2e-2
    )  # half precision
    torch.testing.assert_close(
        cached.frames[direct.frame_mask], direct.frames[direct.frame_mask], rtol=0.0, atol=5e-3
    )


def test_the_vision_tower_gets_no_gradient_and_the_rest_does(tmp_path: Path) -> None:
    model = tiny_model()
    clips = cache_tokens(model, VIDEOS, Noise(), tmp_path).read(VIDEOS)
    model.train()
    ids = torch.from_numpy(
        model.tokenizer.encode(["a red car", "a fish", "a man", "a house", "slowly"], 6).ids
    )
    video = model.video_features(
        model.encoder.to_input(torch.from_numpy(clips.frames)), torch.from_numpy(clips.frame_mask)
    )
    scores = model.score(model.text_features(ids, ids > 0), video).fused
    (-torch.log_softmax(scores, 1).diagonal().mean()).backward()
    with_gradient = {
        name for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    assert not any("vision_model" in name or "visual_projection" in name for name in with_gradient)
    assert {"text_projection", "temporal", "patches", "head"} <= {
        part
        for name in with_gradient
        for part in ("text_projection", "temporal", "patches", "head")
        if part in name
    }


def test_a_second_call_encodes_nothing_and_a_damaged_run_goes_on(tmp_path: Path) -> None:
    model, source = tiny_model(), Noise()
    first = cache_tokens(model, VIDEOS, source, tmp_path)
    source.reads.clear()
    seen: list[tuple[int, int]] = []
    again = cache_tokens(
        model, VIDEOS, source, tmp_path, lambda what, done, total: seen.append((done, total))
    )
    assert source.reads == []
    assert seen == [(5, 5)]
    assert again.description == first.description
    assert model.fingerprint in first.description["backbone"]
