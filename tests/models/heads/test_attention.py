"""UCoFiA's head with cross-attention of words over patches, against a slow reference."""

import math

import numpy as np
import pytest
import torch

from finereel.config import ModelConfig, from_dict
from finereel.errors import ConfigError
from finereel.models.heads import head_config, make_head
from finereel.models.heads.stages import fine_scores, first_stage, int16_scores
from slow_scores import SCALE, Side, assert_head_agrees, real, softmax, unit
from tiny_models import DIM, FRAMES, WORDS, jitter, random_text, random_video

SETTINGS = {"patch_word": "cross_attention", "weights": {"patch_word": 1.0}}


def reference(state: Side, text: Side, video: Side, published: bool) -> dict[str, float]:
    """The pooled vector is made here, where the head never makes it."""
    words = [unit(text["words"][w]) for w in real(text["word_mask"], published)]
    patches = [unit(video["patches"][p]) for p in real(video["patch_mask"], published)]
    sharpness = math.exp(float(state["attention.sharpness"]))
    total = 0.0
    counts = softmax([float(word @ state["attention.telling"]) for word in words])
    for count, word in zip(counts, words, strict=True):
        query = word @ state["attention.query"]
        weights = softmax(
            [sharpness * float(query @ (patch @ state["attention.key"])) for patch in patches]
        )
        pooled: np.ndarray = sum(
            weight * (patch @ state["attention.value"])
            for weight, patch in zip(weights, patches, strict=True)
        )
        total += count * float(word @ unit(pooled))
    return {"patch_word": SCALE * total}


@pytest.mark.parametrize("published", [False, True])
def test_agrees_with_the_slow_reference(published: bool) -> None:
    assert_head_agrees(
        "ucofia",
        lambda *given: reference(*given, published),
        mask_padding=not published,
        **SETTINGS,
    )


def test_it_starts_as_the_mean_over_words_of_softly_chosen_patches() -> None:
    head = make_head(
        head_config("ucofia", max_words=WORDS, max_frames=FRAMES, **SETTINGS), DIM
    ).attention
    for matrix in (head.query, head.key, head.value):
        assert torch.equal(matrix, torch.eye(DIM))
    assert float(head.sharpness.detach().exp()) == pytest.approx(10.0)
    assert not head.telling.any()


def test_units_do_not_matter_and_the_scale_always_counts() -> None:
    sizes = {"max_words": WORDS, "max_frames": FRAMES}
    text, video = random_text(3), random_video(2)
    with torch.no_grad():
        cosine, product = (
            make_head(head_config("ucofia", patch_units=units, **sizes, **SETTINGS), DIM).score(
                text, video, torch.tensor(SCALE)
            )
            for units in ("cosine", "inner_product")
        )
    assert torch.equal(cosine.fused, product.fused)


def test_an_unknown_form_of_patch_word_is_refused() -> None:
    with pytest.raises(ConfigError, match="similarities, cross_attention, got 'attention'"):
        from_dict(ModelConfig, {"patch_word": "attention"})


def test_stages_of_an_evaluation_score_as_the_head_does() -> None:
    head = make_head(
        head_config("ucofia", max_words=WORDS, max_frames=FRAMES, patch_word="cross_attention"), DIM
    ).eval()
    jitter(head)
    text, video, scale = random_text(4), random_video(3), torch.tensor(SCALE)
    with torch.no_grad():
        whole = head.score(text, video, scale).parts
        first = first_stage(head, text, video, scale).parts
        fine = fine_scores(head, text, video, scale, torch.ones(4, 3, dtype=torch.bool))
        assert int16_scores(head, text, video, scale) is None
    assert list(first) == ["video_sentence", "frame_sentence"]
    for name, found in (*first.items(), ("patch_word", fine)):
        torch.testing.assert_close(found, whole[name], rtol=1e-5, atol=1e-5)
