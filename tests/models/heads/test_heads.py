"""Contract of every head with every aggregation; the tests run on a new one by themselves."""

import itertools
import math
import os
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from finereel.errors import ConfigError
from finereel.models.features import Scores, TextFeatures, VideoFeatures, concatenate, tensors_of
from finereel.models.heads import HEADS, base, compiled, head_config, make_head
from finereel.models.heads.base import Head
from finereel.models.heads.clip4clip import Clip4ClipHead
from finereel.models.heads.weighting import AGGREGATIONS
from tiny_models import DIM, FRAMES, WORDS, jitter, random_text, random_video, tiny_config

SCALE = torch.tensor(20.0)
POISON = (float("nan"), float("inf"), float("-inf"), 1e20)
MODES = {"default": {}, "published": {"mask_padding": False, "patch_units": "inner_product"}}
ONE_AGGREGATION = {
    "clip4clip",
    "ts2net",
    "drl",
    "max_sim",
    "xpool",
}  # heads that aggregate in their own way only
INVISIBLE = {"word_weight.2.bias", "frame_weight.2.bias", "key.bias"}
"""The same on every logit of a softmax."""
ATTENTION = "cross-attention"
"""UCoFiA's head with cross-attention in the place of an aggregation."""
every_head = pytest.mark.parametrize(
    ("head", "aggregation"),
    [
        (head, aggregation)
        for head, aggregation in itertools.product(HEADS, AGGREGATIONS)
        if head not in ONE_AGGREGATION or aggregation == "isa"
    ]
    + [pytest.param("ucofia", "isa", id="compiled"), ("ucofia", ATTENTION)],
)


@pytest.fixture(autouse=True)
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract holds with the compiled kernels, and everywhere else without them."""
    if "compiled" not in request.node.name:
        monkeypatch.setenv("FINEREEL_KERNELS", "off")
    elif compiled.state() in ("off", "not installed"):
        assert not os.environ.get("CI"), "`make` builds finereel-kernels where g++ is"
        pytest.skip("finereel-kernels is not installed: pip install ./kernels")


def tiny_head(name: str, aggregation: str, **settings: object) -> Head:
    sizes = {"max_words": WORDS, "max_frames": FRAMES}
    settings |= (
        {"patch_word": "cross_attention"}
        if aggregation == ATTENTION
        else {"aggregation": aggregation}
    )
    head = make_head(head_config(name, **sizes, **settings), DIM)
    jitter(head, amount=0.1)
    return head.eval()


def random_clips(num: int) -> VideoFeatures:
    """With contextual frames, which only some heads read."""
    video = random_video(num)
    contextual = torch.randn(video.frames.shape, generator=torch.Generator().manual_seed(4))
    return replace(video, contextual=contextual)


def score(head: Head, text: TextFeatures, video: VideoFeatures, budget_mib: int = 256) -> Scores:
    with torch.no_grad():
        return head.score(text, video, SCALE, budget_mib)


def assert_equal(found: Scores, wanted: Scores, tolerance: float = 0.0) -> None:
    assert list(found.parts) == list(wanted.parts)
    for name in wanted.parts:
        torch.testing.assert_close(
            found.parts[name], wanted.parts[name], rtol=tolerance, atol=tolerance
        )


@every_head
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_dtypes(head: str, aggregation: str, mode: str, dtype: torch.dtype) -> None:
    model = tiny_head(head, aggregation, **MODES[mode]).to(dtype)
    scores = score(model, random_text(3).to(dtype), random_clips(5).to(dtype))
    assert set(scores.parts) == set(model.weights)
    assert {(part.shape, part.dtype) for part in (*scores.parts.values(), scores.fused)} == {
        ((3, 5), dtype)
    }
    assert torch.isfinite(scores.fused).all()


@every_head
@pytest.mark.parametrize(("texts", "videos"), [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_empty_and_single_batches(head: str, aggregation: str, texts: int, videos: int) -> None:
    scores = score(tiny_head(head, aggregation), random_text(texts), random_clips(videos))
    assert all(part.shape == (texts, videos) for part in scores.parts.values())
    assert scores.fused.shape == (texts, videos)


@every_head
@pytest.mark.parametrize("poison", POISON)
def test_padding_never_counts(head: str, aggregation: str, poison: float) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(7), random_clips(6)
    poisoned_text = replace(text, words=text.words.masked_fill(~text.word_mask[..., None], poison))
    poisoned_video = replace(
        video,
        frames=video.frames.masked_fill(~video.frame_mask[..., None], poison),
        patches=video.patches.masked_fill(~video.patch_mask[..., None], poison),
        contextual=video.contextual.masked_fill(~video.frame_mask[..., None], poison),
    )
    # Poison may choose another order of summation, never another result.
    assert_equal(
        score(model, poisoned_text, poisoned_video), score(model, text, video), tolerance=1e-6
    )


@every_head
def test_padding_that_matches_perfectly_never_counts(head: str, aggregation: str) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(4), random_clips(4)
    sentence = text.sentence[:, None]
    lures = replace(
        video,
        frames=torch.where(video.frame_mask[..., None], video.frames, sentence),
        patches=torch.where(video.patch_mask[..., None], video.patches, text.words[:, :1]),
        contextual=torch.where(video.frame_mask[..., None], video.contextual, sentence),
    )
    lured_text = replace(
        text, words=torch.where(text.word_mask[..., None], text.words, video.patches[:, :1])
    )
    assert_equal(score(model, lured_text, lures), score(model, text, video))


def padded_otherwise() -> list[tuple[str, TextFeatures, VideoFeatures]]:
    """One batch whose last words, frames and patches are padding in every row: as it is, and
    without some of that padding.
    """
    text, video = random_text(5), random_clips(4)
    word_mask, frame_mask, patch_mask = (
        mask.clone() for mask in (text.word_mask, video.frame_mask, video.patch_mask)
    )
    for mask in (word_mask, frame_mask, patch_mask):
        mask[:, -2:] = False
        mask[:, 0] = True
    text = replace(text, word_mask=word_mask)
    video = replace(video, frame_mask=frame_mask, patch_mask=patch_mask)
    fewer_words = replace(text, words=text.words[:, :-2], word_mask=word_mask[:, :-2])
    fewer_frames = replace(
        video,
        frames=video.frames[:, :-2],
        contextual=video.contextual[:, :-2],
        frame_mask=frame_mask[:, :-2],
    )
    fewer_patches = replace(video, patches=video.patches[:, :-2], patch_mask=patch_mask[:, :-2])
    return [
        ("as it is", text, video),
        ("words", fewer_words, video),
        ("frames", text, fewer_frames),
        ("patches", text, fewer_patches),
    ]


def assert_padding_has_no_length(model: Head) -> None:
    """How many padded words, frames and patches there are changes no score. A text alone has no
    padding, as its words are cut to the longest text.
    """
    (_, *whole), *others = padded_otherwise()
    expected = score(model, *whole).parts
    found = {name: score(model, *sides).parts for name, *sides in others}
    text, video = whole
    alone = [score(model, text.rows(slice(row, row + 1)), video).parts for row in range(len(text))]
    found["words alone"] = {part: torch.cat([row[part] for row in alone]) for part in expected}
    for name, parts in found.items():
        for part, scores in parts.items():
            assert torch.allclose(scores, expected[part], rtol=1e-5, atol=1e-5), (
                f"padded {name} change {part}"
            )


@every_head
def test_the_number_of_padded_words_and_frames_never_counts(head: str, aggregation: str) -> None:
    assert_padding_has_no_length(tiny_head(head, aggregation))


class CountsPadding(Clip4ClipHead):
    """A wrong head: it divides the sum over real frames, or words, by how many rows there are."""

    counted_side = "frames"

    def compare(self, text: TextFeatures, video: VideoFeatures) -> dict[str, torch.Tensor]:
        found = super().compare(text, video)
        mask = video.frame_mask if self.counted_side == "frames" else text.word_mask
        share = mask.float().mean(1)
        share = share[None] if self.counted_side == "frames" else share[:, None]
        return {name: part * share for name, part in found.items()}


@pytest.mark.parametrize("side", ["frames", "words"])
def test_the_contract_fails_a_head_that_counts_padding(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CountsPadding, "counted_side", side)
    sizes = {"max_words": WORDS, "max_frames": FRAMES}
    wrong = CountsPadding(head_config("clip4clip", **sizes), DIM).eval()
    with pytest.raises(AssertionError, match=f"padded {side}"):
        assert_padding_has_no_length(wrong)


@every_head
def test_published_mode_lets_padding_count(head: str, aggregation: str) -> None:
    """The control of the tests above: with masking off, clips and texts with padding score
    otherwise than without.
    """
    text, video = random_text(4), random_clips(4)
    padded, masked = (
        score(tiny_head(head, aggregation, **settings), text, video).fused
        for settings in ({"mask_padding": False}, {})
    )
    if head == "clip4clip":  # its video vector was pooled under the mask before it came here
        assert torch.equal(padded, masked)
    else:
        assert (padded - masked).abs().max() > 1e-3


@every_head
@pytest.mark.parametrize("mode", MODES)
def test_no_word_and_no_frame_is_a_finite_score(head: str, aggregation: str, mode: str) -> None:
    text, video = random_text(3), random_clips(3)
    text = replace(text, word_mask=text.word_mask & torch.tensor([[True], [False], [True]]))
    none = torch.tensor([[True], [True], [False]])
    video = replace(video, frame_mask=video.frame_mask & none, patch_mask=video.patch_mask & none)
    scores = score(tiny_head(head, aggregation, **MODES[mode]), text, video)
    assert all(torch.isfinite(part).all() for part in scores.parts.values())


@every_head
def test_an_empty_clip_scores_nothing_and_disturbs_no_gradient(head: str, aggregation: str) -> None:
    model, text, video = tiny_head(head, aggregation).train(), random_text(3), random_clips(3)
    empty = torch.zeros_like(video.frame_mask[:1]), torch.zeros_like(video.patch_mask[:1])
    video = replace(
        video,
        video=torch.cat([torch.zeros_like(video.video[:1]), video.video[1:]]),
        frame_mask=torch.cat([empty[0], video.frame_mask[1:]]),
        patch_mask=torch.cat([empty[1], video.patch_mask[1:]]),
    )
    found = model.score(text, video, SCALE.clone().requires_grad_()).fused
    assert (found[:, 0] == 0).all()
    found.square().sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@every_head
@pytest.mark.parametrize("budget", [1, 3000, 20_000, 10**6])
def test_blocks_do_not_change_scores(
    head: str, aggregation: str, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(9), random_clips(11)
    whole = score(model, text, video)
    calls, sizes = [], []
    compare = model.compare

    def counted(*sides: Any) -> Any:
        calls.append(tuple(map(len, sides)))
        sizes.append(math.prod(calls[-1]) * model.pair_bytes(*sides))
        return compare(*sides)

    monkeypatch.setattr(model, "compare", counted)
    monkeypatch.setattr(
        base, "MIB", 1
    )  # budgets in bytes: one pair per block up to everything in one
    assert_equal(score(model, text, video, budget), whole, tolerance=1e-5)
    assert sum(rows * columns for rows, columns in calls) == 9 * 11
    assert all(
        rows * columns == 1 or size <= budget
        for (rows, columns), size in zip(calls, sizes, strict=True)
    )
    if budget == 1:
        assert len(calls) == 9 * 11


@every_head
@pytest.mark.parametrize("budget", [1, 4, 256])
def test_budgets_in_mebibytes(head: str, aggregation: str, budget: int) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(40), random_clips(50)
    assert_equal(score(model, text, video, budget), score(model, text, video, 4096), tolerance=1e-5)


@every_head
def test_order_of_the_batch_is_only_order(head: str, aggregation: str) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(7), random_clips(6)
    generator = torch.Generator().manual_seed(0)
    rows, columns = torch.randperm(7, generator=generator), torch.randperm(6, generator=generator)
    shuffled = score(model, text.rows(rows), video.rows(columns))
    straight = score(model, text, video)
    ordered = Scores(
        {name: part[rows][:, columns] for name, part in straight.parts.items()}, straight.weights
    )
    assert_equal(shuffled, ordered, tolerance=1e-5)


@every_head
def test_neighbours_do_not_change_a_score(head: str, aggregation: str) -> None:
    model, text, video = tiny_head(head, aggregation), random_text(5), random_clips(5)
    together = score(model, text, video).fused
    for row, column in itertools.product(range(5), repeat=2):
        alone = score(
            model, text.rows(slice(row, row + 1)), video.rows(slice(column, column + 1))
        ).fused
        torch.testing.assert_close(alone[0, 0], together[row, column], rtol=1e-5, atol=1e-5)


@every_head
def test_same_input_same_bytes(head: str, aggregation: str) -> None:
    model = tiny_head(head, aggregation)
    assert_equal(*(score(model, random_text(5), random_clips(5)) for _ in range(2)))


@every_head
@pytest.mark.parametrize("mode", MODES)
def test_stored_clips_score_as_raw_ones(head: str, aggregation: str, mode: str) -> None:
    model, text, video = (
        tiny_head(head, aggregation, **MODES[mode]),
        random_text(7),
        random_clips(30),
    )
    stored = model.stored(video)
    assert model.stored(stored) is stored
    raw = score(model, text, video)
    assert_equal(score(model, text, stored), raw)
    halves = score(model, text, stored.to(torch.float16).to(torch.float32))
    for name, part in raw.parts.items():
        # Half precision keeps 11 bits; aggregations sharpen what is left of it up to tenfold.
        torch.testing.assert_close(halves.parts[name], part, rtol=0.0, atol=2e-2)


@every_head
def test_stored_clips_are_unit_or_said_to_be_raw_and_zero_under_the_mask(
    head: str, aggregation: str
) -> None:
    model, video = tiny_head(head, aggregation), random_clips(6)
    stored = model.stored(video)
    masks = dict.fromkeys(("frames", "contextual"), video.frame_mask)
    assert "frames" not in model.raw
    assert model.raw <= model.reads
    for name, mask in (masks | {"patches": video.patch_mask}).items():
        tokens = getattr(stored, name)
        assert not tokens[~mask].any()
        kept = getattr(video, name)[mask]
        wanted = kept if name in model.raw else kept / kept.norm(dim=-1, keepdim=True)
        torch.testing.assert_close(tokens[mask], wanted)


@every_head
def test_every_parameter_learns(head: str, aggregation: str) -> None:
    """On soft inputs: near-equal similarities, where no softmax is saturated."""
    model = tiny_head(head, aggregation).train()
    text, video = random_text(4), random_clips(4)
    text = replace(text, words=text.words[:1, :1] + 0.02 * text.words)
    video = replace(
        video,
        frames=video.frames[:1, :1] + 0.02 * video.frames,
        patches=video.patches[:1, :1] + 0.02 * video.patches,
        contextual=video.contextual[:1, :1] + 0.02 * video.contextual,
    )
    scale = SCALE.clone().requires_grad_()
    head_scores = model.score(text, video, scale)
    weight = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    (head_scores.fused * weight).sum().backward()
    still = {
        name for name, parameter in model.named_parameters() if not (parameter.grad.abs().sum() > 0)
    }
    assert still - INVISIBLE == set()
    assert scale.grad is not None
    assert scale.grad.abs() > 0


@every_head
def test_gradients_reach_features_and_not_padding(head: str, aggregation: str) -> None:
    """And they reach exactly the features of clips that the head says it reads."""
    model = tiny_head(head, aggregation).train()
    text, video = (
        replace(
            side,
            **{
                name: tensor.requires_grad_()
                for name, tensor in tensors_of(side).items()
                if tensor.is_floating_point()
            },
        )
        for side in (random_text(3), random_clips(4))
    )
    model.score(text, video, SCALE).fused.square().sum().backward()
    reached = {
        name
        for name in ("frames", "patches", "contextual")
        if getattr(video, name).grad is not None
    }
    assert reached == model.reads
    masks = {"words": text.word_mask, "frames": video.frame_mask, "patches": video.patch_mask}
    for name, mask in (masks | {"contextual": video.frame_mask}).items():
        gradient = getattr(text if name == "words" else video, name).grad
        if gradient is not None:
            assert torch.isfinite(gradient).all()
            assert (gradient[~mask] == 0).all()
            assert (gradient[mask] != 0).any()


class PeakMemory(TorchDispatchMode):
    """Bytes of all tensors made inside and alive at once, at most; views count with what they look
    at.
    """

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {
            leaf.untyped_storage().data_ptr()
            for leaf in tree_leaves((args, kwargs))
            if torch.is_tensor(leaf)
        }
        made = func(*args, **(kwargs or {}))
        for tensor in (leaf for leaf in tree_leaves(made) if torch.is_tensor(leaf)):
            place, size = tensor.untyped_storage().data_ptr(), tensor.untyped_storage().nbytes()
            if place in given and place not in self.users:
                continue  # a view of what was there before
            self.now += size if place not in self.users else 0
            self.users[place] = self.users.get(place, 0) + 1
            weakref.finalize(tensor, self.freed, place, size)
        self.peak = max(self.peak, self.now)
        return made

    def freed(self, place: int, size: int) -> None:
        self.users[place] -= 1
        if not self.users[place]:
            del self.users[place]
            self.now -= size


@every_head
def test_working_memory_is_what_was_said(head: str, aggregation: str) -> None:
    model = tiny_head(head, aggregation)
    text, video = model.prepare_text(random_text(40)), model.prepare_video(random_clips(50))
    with torch.no_grad(), PeakMemory() as memory:
        model.compare(text, video)
        said = model.pair_bytes(text, video) * 40 * 50
    assert (
        memory.peak <= 1.4 * said
    )  # rows beside the blocks weigh more here than where blocks are large
    assert said <= 8 * memory.peak


@pytest.mark.parametrize("granularity", ["video_sentence", "frame_sentence", "patch_word"])
def test_a_granularity_alone_scores_as_among_others(granularity: str) -> None:
    together = tiny_head("ucofia", "isa")
    alone = make_head(tiny_config(weights={granularity: 1.0}), DIM)
    alone.load_state_dict({name: together.state_dict()[name] for name in alone.state_dict()})
    text, video = random_text(3), random_clips(3)
    found, wanted = score(alone, text, video), score(together, text, video).parts[granularity]
    assert list(found.parts) == [granularity]
    torch.testing.assert_close(found.fused, wanted)


@every_head
def test_coarse_query_gives_the_video_sentence_score(head: str, aggregation: str) -> None:
    """Heads without that granularity answer with the unit sentence."""
    model, text, video = tiny_head(head, aggregation), random_text(3), random_clips(5)
    with torch.no_grad():
        coarse = SCALE * model.coarse_query(text) @ video.video.T
    if "video_sentence" not in model.weights:
        unit = torch.nn.functional.normalize(text.sentence, dim=-1)
        torch.testing.assert_close(coarse, SCALE * unit @ video.video.T)
        return
    torch.testing.assert_close(
        coarse, score(model, text, video).parts["video_sentence"], rtol=1e-5, atol=1e-5
    )


def test_length_of_features_does_not_matter_by_default() -> None:
    model, text, video = tiny_head("ucofia", "isa"), random_text(3), random_clips(3)
    longer = replace(video, frames=3 * video.frames, patches=5 * video.patches)
    louder = replace(text, sentence=2 * text.sentence, words=7 * text.words)
    assert_equal(score(model, louder, longer), score(model, text, video), tolerance=2e-5)


def test_published_patches_keep_their_length_and_no_scale() -> None:
    model, text, video = (
        tiny_head("ucofia", "mean", **MODES["published"]),
        random_text(3),
        random_clips(3),
    )
    longer = score(model, text, replace(video, patches=5 * video.patches))
    plain = score(model, text, video)
    torch.testing.assert_close(longer.parts["patch_word"], 5 * plain.parts["patch_word"])
    with torch.no_grad():
        louder = model.score(text, video, 2 * SCALE)
    assert torch.equal(louder.parts["patch_word"], plain.parts["patch_word"])
    torch.testing.assert_close(louder.parts["frame_sentence"], 2 * plain.parts["frame_sentence"])


def test_fused_is_the_weighted_sum() -> None:
    weights = {"video_sentence": 0.2, "frame_sentence": 0.5, "patch_word": 0.3}
    scores = score(tiny_head("ucofia", "isa", weights=weights), random_text(3), random_clips(3))
    torch.testing.assert_close(
        scores.fused, sum(scores.parts[name] * weight for name, weight in weights.items())
    )


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        ConfigError, match="expected one of clip4clip, drl, max_sim, ts2net, ucofia, xclip, xpool"
    ):
        make_head(tiny_config(head="clip"), DIM)
    with pytest.raises(ConfigError, match="no granularity phrase"):
        make_head(tiny_config(weights={"phrase": 1.0}), DIM)
    with pytest.raises(ConfigError, match="expected one of"):
        make_head(tiny_config(aggregation="sum"), DIM)
    with pytest.raises(
        ConfigError, match="drl head has no granularity patch_word: weights take frame_word"
    ):
        make_head(tiny_config(head="drl", weights={"patch_word": 1.0}), DIM)


@settings(max_examples=30)
@given(
    rows=st.integers(1, 2000),
    columns=st.integers(1, 2000),
    pair=st.integers(1, 10**6),
    budget=st.integers(1, 10**9),
)
def test_block_shape_stays_within_the_budget(
    rows: int, columns: int, pair: int, budget: int
) -> None:
    high, wide = base._block_shape(rows, columns, pair, budget)
    assert 1 <= high <= rows
    assert 1 <= wide <= columns
    assert high * wide == 1 or high * wide * pair <= budget


def test_rows_and_concatenation_are_inverse() -> None:
    text, video = random_text(5), random_clips(5)
    for features in (text, video):
        halves = concatenate([features.rows(slice(0, 2)), features.rows(torch.tensor([2, 3, 4]))])
        for name, tensor in tensors_of(features).items():
            assert np.array_equal(getattr(halves, name), tensor)
