"""The model as a whole: encode, score; what it refuses."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from finereel.errors import CheckpointError
from finereel.models.encoders.patches import Perturbation
from finereel.models.encoders.temporal import pool_frames
from finereel.models.features import concatenate, tensors_of
from finereel.models.heads import HEADS
from finereel.models.retrieval import RetrievalModel
from finereel.training.learner import symmetric_infonce
from finereel.types import Frames
from tiny_models import (
    DIM,
    FRAMES,
    WORDS,
    tiny_model,
    tiny_peer,
    tiny_tokenizer,
)

TEXTS = [
    "a red car jumps",
    "a fish",
    "a man is cooking over the house slowly and again and again",
    "",
]


def clip(num_frames: int, seed: int = 0, size: tuple[int, int] = (24, 33)) -> Frames:
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (num_frames, *size, 3), dtype=np.uint8)
    return Frames(pixels, np.arange(num_frames, dtype=np.float64))


def test_encoded_shapes() -> None:
    model = tiny_model()
    text, video = (
        model.encode_text(TEXTS),
        model.encode_video([clip(FRAMES), clip(2), clip(9, size=(50, 20))]),
    )
    assert (text.sentence.shape, text.words.shape) == ((4, DIM), (4, WORDS, DIM))
    assert (video.video.shape, video.frames.shape, video.patches.shape) == (
        (3, DIM),
        (3, FRAMES, DIM),
        (3, model.num_patches, DIM),
    )
    assert video.frame_mask.sum(1).tolist() == [FRAMES, 2, FRAMES]
    assert video.patch_mask.sum(1).tolist() == [4 * FRAMES, 8, 4 * FRAMES]
    assert text.word_mask.sum(1).tolist()[2:] == [WORDS, 2]
    torch.testing.assert_close(video.video.norm(dim=1), torch.ones(3))
    assert not text.words.requires_grad
    assert not video.patches.requires_grad


def test_patches_stand_frame_by_frame_with_the_frame_first() -> None:
    video = tiny_model().encode_video([clip(FRAMES)])
    assert torch.equal(video.patches.reshape(1, FRAMES, 4, DIM)[:, :, 0], video.frames)


def test_no_texts_and_no_clips() -> None:
    model = tiny_model()
    assert len(model.encode_text([])) == 0
    scores = model.score(model.encode_text([]), model.encode_video([clip(1)]))
    assert scores.fused.shape == (0, 1)
    with pytest.raises(ValueError, match="at least one clip"):
        model.encode_video([])


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    """To the byte: the index must hold the same numbers whatever was encoded beside a clip."""
    model, clips = tiny_model(), [clip(FRAMES, 1), clip(1, 2), clip(3, 3)]
    together, alone = (
        model.encode_video(clips),
        concatenate([model.encode_video([each]) for each in clips]),
    )
    assert all(
        torch.equal(getattr(alone, name), tensor) for name, tensor in tensors_of(together).items()
    )


def test_a_text_does_not_depend_on_its_neighbours() -> None:
    model, many = tiny_model(), TEXTS * 40
    together = model.encode_text(many)
    assert len(together) == 160
    alone = concatenate([model.encode_text([each]) for each in TEXTS])
    torch.testing.assert_close(
        alone.sentence.repeat(40, 1), together.sentence, rtol=1e-5, atol=1e-5
    )
    mask = together.word_mask
    torch.testing.assert_close(
        alone.words.repeat(40, 1, 1)[mask], together.words[mask], rtol=1e-5, atol=1e-5
    )


def test_same_input_same_bytes() -> None:
    first, second = (tiny_model().encode_video([clip(3)]) for _ in range(2))
    assert all(
        torch.equal(getattr(second, name), tensor) for name, tensor in tensors_of(first).items()
    )


def test_encoding_ignores_a_training_mode_left_on() -> None:
    model = tiny_model()
    wanted = model.encode_video([clip(3)])
    found = model.train().encode_video([clip(3)])
    assert torch.equal(found.patches, wanted.patches)


def test_many_frames_are_thinned_evenly_and_few_are_padded() -> None:
    model, long = tiny_model(), clip(10)
    kept = Frames(long.pixels[[0, 3, 6, 9]], long.seconds[[0, 3, 6, 9]])
    assert torch.equal(model.encode_video([long]).frames, model.encode_video([kept]).frames)
    short = model.encode_video([clip(2)])
    assert torch.isfinite(short.frames).all()


@pytest.mark.parametrize("poison", [float("nan"), 1e9])
@torch.no_grad()
def test_padded_pixels_never_count(poison: float) -> None:
    model = tiny_model()
    pixels = torch.randn(2, FRAMES, 3, 21, 21, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * FRAMES, [True] + [False] * (FRAMES - 1)])
    clean = model.video_features(pixels, mask)
    dirty = model.video_features(torch.where(mask[..., None, None, None], pixels, poison), mask)
    assert torch.equal(clean.video, dirty.video)
    text = model.encode_text(TEXTS)
    assert torch.equal(model.score(text, clean).fused, model.score(text, dirty).fused)


def test_padded_frames_score_as_if_they_were_not_there() -> None:
    """A model of one frame and a model of F frames, sharing weights, agree on a clip of one
    frame.
    """
    config = {"temporal": "meanP", "aggregation": "max", "shifted_blocks": ()}
    long, short = tiny_model(**config), tiny_model(**config, max_frames=1)
    short.load_state_dict(long.state_dict())
    text = long.encode_text(TEXTS)
    found, wanted = (
        model.score(text, model.encode_video([clip(1)])).fused for model in (long, short)
    )
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_coarse_query_ranks_by_the_video_sentence() -> None:
    model = tiny_model()
    text, video = model.encode_text(TEXTS), model.encode_video([clip(3, seed) for seed in range(4)])
    part = model.score(text, video).parts["video_sentence"]
    torch.testing.assert_close(model.coarse_query(text) @ video.video.T, part, rtol=1e-5, atol=1e-4)


def soft_pairs(
    model: RetrievalModel,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    tokens = tiny_tokenizer().encode(TEXTS, model.config.max_words)
    pixels = torch.randn(4, FRAMES, 3, 21, 21, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(4, FRAMES, dtype=torch.bool)
    return torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask), pixels, mask


@pytest.mark.parametrize("patch_scorer", ["token", "frame_video"])
@pytest.mark.parametrize("aggregation", ["isa", "sharpened_softmax"])
def test_every_parameter_learns(patch_scorer: str, aggregation: str) -> None:
    """Small projections make all similarities near-equal, so that no softmax is saturated."""
    model = tiny_model(
        patch_scorer=patch_scorer, aggregation=aggregation, patch_units="inner_product"
    ).train()
    model.set_perturbation(Perturbation(samples=50))
    with torch.no_grad():
        model.encoder.clip.visual_projection.weight.mul_(0.02)
    ids, words, pixels, mask = soft_pairs(model)
    torch.manual_seed(0)
    logits = model.score(model.text_features(ids, words), model.video_features(pixels, mask)).fused
    symmetric_infonce(logits).backward()
    still = [
        name
        for name, parameter in model.named_parameters()
        if not name.endswith(
            "k_proj.bias"
        )  # adds the same to every logit of a row: softmax cannot see it
        and not (parameter.grad is not None and parameter.grad.abs().sum() > 0)
    ]
    assert still == []
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_no_gradient_outside_training() -> None:
    model = tiny_model()
    text, video = model.encode_text(TEXTS), model.encode_video([clip(2)])
    assert not model.score(text, video).fused.requires_grad
    assert model.train().score(text, video).fused.requires_grad


# Every head.

every_head = pytest.mark.parametrize("head", HEADS)


@every_head
def test_only_what_the_head_reads_is_made(head: str) -> None:
    model = tiny_peer(head)
    video = model.encode_video([clip(FRAMES), clip(2)])
    reads = model.head.reads
    num_patches, num_contextual = (
        4 * FRAMES * ("patches" in reads),
        FRAMES * ("contextual" in reads),
    )
    assert (model.num_patches, model.num_contextual) == (num_patches, num_contextual)
    assert video.patches.shape == (2, num_patches, DIM)
    assert video.patch_mask.shape == (2, num_patches)
    assert video.contextual.shape == (2, num_contextual, DIM)
    assert (model.patches is None) == (head not in ("ucofia", "ts2net"))


@every_head
@torch.no_grad()
def test_contextual_frames_are_those_the_video_vector_is_made_of(head: str) -> None:
    model = tiny_peer(head)
    video = model.encode_video([clip(FRAMES), clip(2)])
    if model.num_contextual:
        torch.testing.assert_close(pool_frames(video.contextual, video.frame_mask), video.video)
        assert not torch.allclose(video.contextual, video.frames)


@every_head
@torch.no_grad()
def test_padding_counts_for_no_head(head: str) -> None:
    """From the pixels to the score: what stands in padded frames and words changes nothing."""
    model = tiny_peer(head)
    pixels = torch.randn(2, FRAMES, 3, 21, 21, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * FRAMES, [True] + [False] * (FRAMES - 1)])
    clean = model.video_features(pixels, mask)
    dirty = model.video_features(torch.where(mask[..., None, None, None], pixels, 9.0), mask)
    text = model.encode_text(TEXTS)
    assert torch.equal(model.score(text, clean).fused, model.score(text, dirty).fused)


@every_head
def test_every_parameter_of_every_model_learns(head: str) -> None:
    model = tiny_peer(head).train()
    model.set_perturbation(Perturbation(samples=50))
    with torch.no_grad():
        model.encoder.clip.visual_projection.weight.mul_(0.02)
    ids, words, pixels, mask = soft_pairs(model)
    torch.manual_seed(0)
    logits = model.score(model.text_features(ids, words), model.video_features(pixels, mask)).fused
    symmetric_infonce(logits).backward()
    same_for_all = (
        "k_proj.bias",
        "word_weight.2.bias",
        "frame_weight.2.bias",
        "head.key.bias",
    )  # softmax cannot see these
    still = [
        name
        for name, parameter in model.named_parameters()
        if not name.endswith(same_for_all)
        and not (parameter.grad is not None and parameter.grad.abs().sum() > 0)
    ]
    assert still == []


def test_fingerprint_changes_with_any_weight_and_setting() -> None:
    seen = {tiny_model().fingerprint, tiny_model().fingerprint}
    assert len(seen) == 1
    names = list(tiny_model().state_dict())
    for name in names[:: max(1, len(names) // 12)]:
        model = tiny_model()
        model.state_dict()[name].view(-1)[-1] += 1e-3
        assert model.fingerprint not in seen, name
        seen.add(model.fingerprint)
    for settings in (
        {"mask_padding": False},
        {"aggregation": "max"},
        {"weights": {"video_sentence": 1.0}},
    ):
        assert tiny_model(**settings).fingerprint not in seen


def test_text_without_a_tokenizer_is_a_typed_error() -> None:
    model = tiny_model()
    model.tokenizer = None
    with pytest.raises(CheckpointError, match="no tokenizer"):
        model.encode_text(["a car"])


def test_start_from_towers_copies_the_text_blocks() -> None:
    model = tiny_model()
    model.start_from_towers()
    text = model.encoder.clip.text_model
    copied = zip(
        model.temporal.blocks.parameters(), text.encoder.layers[:1].parameters(), strict=True
    )
    assert all(torch.equal(mine, theirs) for mine, theirs in copied)


def test_scores_of_the_whole_are_scores_of_the_parts() -> None:
    """Search (one text) and evaluation (all) see one scoring function."""
    model = tiny_model()
    text, video = model.encode_text(TEXTS), model.encode_video([clip(3, seed) for seed in range(5)])
    whole = model.score(text, video).fused
    for row in range(4):
        torch.testing.assert_close(
            model.score(text.rows(slice(row, row + 1)), video).fused[0],
            whole[row],
            rtol=1e-5,
            atol=1e-5,
        )
    for low, high in pairwise([0, 2, 5]):
        part = model.score(text, video.rows(slice(low, high))).fused
        torch.testing.assert_close(part, whole[:, low:high], rtol=1e-5, atol=1e-5)
