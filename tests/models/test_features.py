"""The tensor nouns: what they refuse, how rows and devices travel, what fused means."""

from dataclasses import replace

import pytest
import torch
from jaxtyping import TypeCheckError

from finereel.models.features import Scores, concatenate, in_groups, tensors_of
from tiny_models import random_text, random_video

MISFIT = (ValueError, TypeCheckError)  # under test the shapes in the annotations are checked first


def test_rows_take_every_field_along() -> None:
    text, video = random_text(5), random_video(5)
    for features in (text, video):
        picked = features.rows(torch.tensor([3, 0]))
        assert len(picked) == 2
        for name, tensor in tensors_of(features).items():
            assert torch.equal(getattr(picked, name), tensor[[3, 0]]), name
        assert len(features.rows(slice(4, 9))) == 1


def test_precision_changes_floats_only() -> None:
    half = random_video(2).to(torch.float16)
    assert (half.frames.dtype, half.frame_mask.dtype) == (torch.float16, torch.bool)
    assert random_text(2).to(torch.device("cpu")).words.dtype == torch.float32


def test_concatenation_keeps_order() -> None:
    video = random_video(3)
    whole = concatenate([video.rows(slice(index, index + 1)) for index in range(3)])
    assert all(
        torch.equal(getattr(whole, name), tensor) for name, tensor in tensors_of(video).items()
    )


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_groups_are_rows_in_order_and_take_their_gradients_home(groups: int) -> None:
    text = random_text(6)
    text.words.requires_grad_()
    found = in_groups(text, groups)
    size = 6 // groups
    for number, group in enumerate(found):
        wanted = tensors_of(text.rows(slice(number * size, (number + 1) * size)))
        assert all(torch.equal(tensor, wanted[name]) for name, tensor in tensors_of(group).items())
    sum((number + 1) * group.words.sum() for number, group in enumerate(found)).backward()
    factors = 1 + torch.arange(6) // size
    assert torch.equal(text.words.grad[:, 0, 0], factors.to(text.words))  # type: ignore[index]


def test_no_texts_are_no_texts_of_every_clip() -> None:
    assert [len(group) for group in in_groups(random_text(0), 3)] == [0, 0, 0]
    assert in_groups(random_text(0), 0) == []


def test_masks_must_fit() -> None:
    text, video = random_text(3), random_video(3)
    with pytest.raises(MISFIT, match="word_mask"):
        replace(text, word_mask=text.word_mask[:, 1:])
    with pytest.raises(MISFIT, match="sentence"):
        replace(text, sentence=text.sentence[1:])
    with pytest.raises(MISFIT, match="frame_mask"):
        replace(video, frame_mask=video.frame_mask[:, 1:])
    with pytest.raises(MISFIT, match="patch_mask"):
        replace(video, patch_mask=video.patch_mask[:, 1:])


def test_scores_need_one_weight_per_granularity() -> None:
    part = torch.zeros(1, 1)
    for parts, weights in (
        ({}, {}),
        ({"video_sentence": part}, {}),
        ({"video_sentence": part}, {"patch_word": 1.0}),
    ):
        with pytest.raises(ValueError, match="one weight per granularity"):
            Scores(parts, weights)


def test_fused_takes_weights_by_name() -> None:
    parts = {"video_sentence": torch.tensor([[1.0]]), "patch_word": torch.tensor([[10.0]])}
    assert Scores(parts, {"patch_word": 0.5, "video_sentence": 2.0}).fused.item() == 7.0
