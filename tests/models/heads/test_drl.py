"""DRL's head against a slow reference, for each interaction."""

import numpy as np
import pytest
import torch

from finereel.errors import ConfigError
from finereel.models.heads import head_config, make_head
from slow_scores import SCALE, Side, assert_head_agrees, real, softmax, unit
from tiny_models import DIM, FRAMES, WORDS, random_text, random_video


def weights(state: Side, name: str, tokens: np.ndarray, places: list[int]) -> list[float]:
    if f"{name}.0.weight" not in state:
        return [1 / len(places)] * len(places)
    logits = []
    for place in places:
        hidden = np.maximum(state[f"{name}.0.weight"] @ tokens[place] + state[f"{name}.0.bias"], 0)
        logits.append(float(state[f"{name}.2.weight"][0] @ hidden + state[f"{name}.2.bias"][0]))
    return softmax(logits)


def reference(state: Side, text: Side, video: Side, published: bool) -> dict[str, float]:
    words, frames = real(text["word_mask"]), real(video["frame_mask"])
    sim = {
        (w, f): float(unit(text["words"][w]) @ unit(video["contextual"][f]))
        for w in words
        for f in frames
    }
    floor_words = [0.0] if published and len(words) < WORDS else []
    floor_frames = [0.0] if published and len(frames) < FRAMES else []
    of_words = [max([sim[w, f] for f in frames] + floor_frames) for w in words]
    of_frames = [max([sim[w, f] for w in words] + floor_words) for f in frames]
    word_weights = weights(state, "word_weight", text["words"], words)
    frame_weights = weights(state, "frame_weight", video["contextual"], frames)
    both = sum(a * x for a, x in zip(word_weights, of_words, strict=True))
    both += sum(b * x for b, x in zip(frame_weights, of_frames, strict=True))
    return {"frame_word": SCALE * both / 2}


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("interaction", ["wti", "ti"])
def test_agrees_with_the_slow_reference(interaction: str, published: bool) -> None:
    assert_head_agrees(
        "drl",
        lambda *given: reference(*given, published),
        interaction=interaction,
        mask_padding=not published,
    )


def test_dot_product_is_the_video_sentence() -> None:
    def of_sentence(state: Side, text: Side, video: Side) -> dict[str, float]:
        return {"video_sentence": SCALE * float(unit(text["sentence"]) @ video["video"])}

    assert_head_agrees("drl", of_sentence, interaction="dp")
    with pytest.raises(ConfigError, match="weights take video_sentence"):
        make_head(head_config("drl", interaction="dp", weights={"frame_word": 1.0}), DIM)


def test_published_evaluation_is_unscaled_and_training_is_not() -> None:
    text, video = random_text(3), random_video(2)
    video = type(video)(
        video.video, video.frames, video.patches, video.frame_mask, video.patch_mask, video.frames
    )
    head = make_head(
        head_config("drl", max_words=WORDS, max_frames=FRAMES, scaled_evaluation=False), DIM
    )
    raw, scaled = (
        head.train(training).score(text, video, torch.tensor(SCALE)).fused.detach()
        for training in (False, True)
    )
    torch.testing.assert_close(SCALE * raw, scaled)
    corrected = make_head(head_config("drl", max_words=WORDS, max_frames=FRAMES), DIM)
    corrected.load_state_dict(head.state_dict())
    assert torch.equal(
        corrected.eval().score(text, video, torch.tensor(SCALE)).fused.detach(), scaled
    )
