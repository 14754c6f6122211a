"""The fine-grained loss against a slow one, its batches, and gradients that chunks and processes do
not change.
"""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from finereel.config import FineConfig
from finereel.data.base import Caption, ClipArrays, Split
from finereel.errors import ConfigError, DataError
from finereel.finegrain.types import Negative
from finereel.models.encoders.clip import ClipEncoder
from finereel.models.encoders.patches import Perturbation, RowNoise
from finereel.models.retrieval import RetrievalModel
from finereel.training.batch import Batch, CandidateCaptions
from finereel.training.distributed import Shard
from finereel.training.fine import OTHER_CLIP, FineLoss, fine_loss, texts_of
from finereel.training.learner import Learner, symmetric_infonce
from finereel.training.optim import OptimSettings, make_optimizer
from finereel.training.pairs import PairBatches, PairSettings
from finereel.training.settings import Precision, TrainingSettings, run_identity
from processes import run
from tiny_models import FRAMES, IMAGE, WORDS, tiny_config, tiny_tokenizer, tiny_towers
from tiny_runs import SETTINGS

pytestmark = pytest.mark.filterwarnings(
    "ignore:This process .* is multi-threaded:DeprecationWarning"
)
LOGITS = torch.tensor([[2.0, 1.0, -1.0], [0.5, 3.0, 9.0], [1.0, 7.0, 7.0]], dtype=torch.float64)
REAL = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 0, 0]], dtype=torch.bool)
ROWS, NEGATIVES = 4, 3


def slow_loss(gamma: float, smoothing: float) -> float:
    losses = []
    for row, real in zip(LOGITS.tolist(), REAL.tolist(), strict=True):
        kept = [value for value, counts in zip(row, real, strict=True) if counts]
        total = sum(math.exp(value) for value in kept)
        loss = 0.0
        for place, value in enumerate(kept):
            p = math.exp(value) / total
            truth = smoothing / len(kept) + (1 - smoothing if place == 0 else 0.0)
            loss -= truth * (1 - p) ** gamma * math.log(p)
        losses.append(loss)
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("gamma", "smoothing"), [(0.0, 0.0), (2.0, 0.0), (0.0, 0.1), (2.0, 0.02)])
def test_loss_is_the_slow_one(gamma: float, smoothing: float) -> None:
    found = fine_loss(LOGITS, REAL, FineLoss(focal=gamma, smoothing=smoothing))
    assert float(found) == pytest.approx(slow_loss(gamma, smoothing), rel=1e-7)


def test_what_is_not_real_gets_no_gradient_and_a_caption_alone_no_loss() -> None:
    logits = LOGITS.clone().requires_grad_()
    fine_loss(logits, REAL, FineLoss(focal=2.0, smoothing=0.1)).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[~REAL].any()
    assert not logits.grad[2].any()
    assert logits.grad[0].all()


@pytest.mark.parametrize("values", [{"weight": -1.0}, {"smoothing": 1.0}, {"focal": -1.0}])
def test_impossible_settings_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="weight >= 0"):
        FineLoss(**values)


OTHER = torch.tensor([[1.0, 3.0, -4.0], [2.0, 0.0, 9.0], [5.0, 1.0, 1.0]], dtype=torch.float64)


def other_loss(name: str) -> float:
    """Row by row, from the definition in OTHER_CLIP."""
    losses = []
    for own, other, real in zip(LOGITS.tolist(), OTHER.tolist(), REAL.tolist(), strict=True):
        kept = [place for place, counts in enumerate(real) if counts]
        if name == "evidence":
            kept = [k for k in kept if k == 0 or own[0] - own[k] > other[0] - other[k]]
        taken = [own[k] - (other[k] if name == "subtracted" else 0.0) for k in kept]
        loss = math.log(sum(math.exp(value) for value in taken)) - taken[0]
        if name == "uniform":
            total = sum(math.exp(other[k]) for k in kept)
            share = 1 / len(kept)
            loss += sum(share * math.log(share * total / math.exp(other[k])) for k in kept)
        losses.append(loss)
    return sum(losses) / len(losses)


@pytest.mark.parametrize("name", OTHER_CLIP)
def test_another_clip_counts_as_it_is_described(name: str) -> None:
    found = fine_loss(LOGITS, REAL, FineLoss(other_clip=name), OTHER)
    assert float(found) == pytest.approx(other_loss(name), rel=1e-7)
    assert len({round(other_loss(one), 6) for one in OTHER_CLIP}) == len(OTHER_CLIP)


def test_what_a_text_scores_against_any_clip_earns_nothing_where_it_is_subtracted() -> None:
    bias = torch.tensor([[4.0, -1.0, 0.5]], dtype=torch.float64, requires_grad=True)
    rewards = {}
    for name in OTHER_CLIP:
        loss = fine_loss(LOGITS + bias, REAL, FineLoss(other_clip=name), OTHER + bias)
        (rewards[name],) = torch.autograd.grad(loss, bias)
    assert rewards["subtracted"].abs().max() < 1e-12
    assert float(rewards["ignored"][0, 0]) < 0 < float(rewards["uniform"][0, 0])


def test_clips_that_score_alike_get_a_finite_loss_without_gradient_of_missing_columns() -> None:
    for name in OTHER_CLIP:
        logits = LOGITS.clone().requires_grad_()
        fine_loss(logits, REAL, FineLoss(other_clip=name), logits).backward()
        assert logits.grad is not None
        assert torch.isfinite(logits.grad).all()
        assert not logits.grad[~REAL].any()


def test_an_unknown_use_of_the_other_clip_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown other_clip"):
        FineLoss(other_clip="averaged")


def prompted_model(**fine: int) -> RetrievalModel:
    """In float64: sharp softmaxes blow float32 rounding up."""
    config = tiny_config(fine=FineConfig(**({"visual_prompts": 1, "text_prompts": 1} | fine)))
    torch.manual_seed(3)
    model = RetrievalModel(
        ClipEncoder(tiny_towers(), config.shifted_blocks), config, tiny_tokenizer()
    )
    model.set_perturbation(Perturbation(samples=4, sigma=0.0))
    return model.double()


def batch_of(rows: slice = slice(0, ROWS)) -> Batch:
    generator = torch.Generator().manual_seed(1)
    frames = torch.randint(
        0, 256, (ROWS, FRAMES, IMAGE, IMAGE, 3), generator=generator, dtype=torch.uint8
    )
    ids = torch.randint(1, 500, (ROWS, 1 + NEGATIVES, WORDS), generator=generator)
    ids[..., -1] = 529
    real = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    frame_mask = torch.arange(FRAMES)[None] < torch.tensor([4, 3, 2, 1])[:, None]
    every = torch.ones_like(ids, dtype=torch.bool)
    narrow = WORDS - 1  # captions are narrower than their candidates
    shorter = ids[rows, 0, :narrow].clone()
    shorter[:, -1] = 529
    return Batch(
        frames[rows], frame_mask[rows], shorter, every[rows, 0, :narrow],
        candidates=CandidateCaptions(ids[rows], every[rows], real[rows]),
    )  # fmt: skip


class Doubled(Learner):
    """A learner whose features stay float64."""

    def _text(self, ids: Tensor, mask: Tensor) -> object:
        return self.model.text_features(ids, mask)

    def _video(self, batch: Batch, rows: slice, noise: RowNoise | None = None) -> object:
        frames = self.model.encoder.to_input(batch.frames[rows]).double()
        return self.model.video_features(frames, batch.frame_mask[rows], noise)


def learner(chunk: int = 0, shard: Shard | None = None, **settings: object) -> Learner:
    chosen = replace(SETTINGS, factor_weight=0.0, factor_sizes=(), chunk=chunk, **settings)
    return Doubled(prompted_model(), chosen, Precision(), shard).train()


def noisy(one: Learner) -> Learner:
    """With a choice of patches that depends on the noise."""
    one.model.set_perturbation(Perturbation(samples=4, sigma=0.5))
    return one


def gradients(module: nn.Module) -> dict[str, Tensor]:
    return {
        name: parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def assert_close(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    assert set(found) == set(wanted)
    rounding = 1e-11 * max(float(gradient.abs().max()) for gradient in wanted.values())
    for name, gradient in wanted.items():
        assert (found[name] - gradient).abs().max() <= 1e-8 * gradient.abs().max() + rounding, name


def test_without_weight_the_candidates_might_as_well_not_be_there() -> None:
    batch = batch_of()
    with_them, without = (learner(fine=FineLoss(weight=0.0)) for _ in range(2))
    without.load_state_dict(with_them.state_dict())
    assert torch.equal(with_them.backward(batch), without.backward(replace(batch, candidates=None)))
    found, wanted = gradients(with_them), gradients(without)
    assert set(found) == set(wanted)
    assert all(torch.equal(found[name], gradient) for name, gradient in wanted.items())


def test_total_is_contrastive_plus_weight_times_fine() -> None:
    one, batch = learner(fine=FineLoss(weight=0.7)), batch_of()
    assert batch.candidates is not None
    total, model = float(one.backward(batch)), one.model.eval()
    video = one._video(batch, slice(0, ROWS))
    text = model.text_features(batch.input_ids, batch.text_mask)
    coarse = symmetric_infonce(model.score(text, video).fused)  # type: ignore[arg-type]
    log_p = []
    for row in range(ROWS):
        own = model.text_features(batch.candidates.input_ids[row], batch.candidates.text_mask[row])
        scores = model.score_fine(own, video.rows(slice(row, row + 1))).fused[:, 0]  # type: ignore[attr-defined]
        log_p.append(scores[batch.candidates.real[row]].log_softmax(0)[0])
    assert total == pytest.approx((coarse - 0.7 * torch.stack(log_p).mean()).item(), rel=1e-6)


def test_the_other_clip_is_the_next_one_of_the_batch() -> None:
    settings = FineLoss(weight=0.7, other_clip="subtracted")
    one, batch = learner(fine=settings, contrastive_weight=0.0), batch_of()
    assert batch.candidates is not None
    ids, mask = batch.candidates.input_ids, batch.candidates.text_mask
    total, model = float(one.backward(batch)), one.model.eval()
    video = one._video(batch, slice(0, ROWS))
    log_p = []
    for row in range(ROWS):
        text = model.text_features(ids[row], mask[row])
        own, other = (
            model.score_fine(text, video.rows(slice(place, place + 1))).fused[:, 0]  # type: ignore[attr-defined]
            for place in (row, (row + 1) % ROWS)
        )
        log_p.append((own - other)[batch.candidates.real[row]].log_softmax(0)[0])
    assert total == pytest.approx(-0.7 * torch.stack(log_p).mean().item(), rel=1e-6)


def test_gradients_reach_prompts_both_heads_and_both_towers() -> None:
    one = learner()
    one.backward(batch_of())
    found = gradients(one.model)
    missing = [
        name
        for name, _ in one.model.named_parameters()
        if name not in found or not found[name].any()
    ]
    assert all("patches.scorer" in name or "mixing" in name for name in missing), (
        missing
    )  # no noise; saturated
    assert {"prompts.visual", "prompts.text"} <= set(found)


@pytest.mark.parametrize("chunk", [1, 3])
@pytest.mark.parametrize("fine", [FineLoss(), FineLoss(other_clip="uniform")])
def test_chunks_do_not_change_the_gradients(chunk: int, fine: FineLoss) -> None:
    whole, parts = noisy(learner(fine=fine)), noisy(learner(chunk, fine=fine))
    torch.manual_seed(0)
    wanted = float(whole.backward(batch_of()))
    torch.manual_seed(0)
    assert float(parts.backward(batch_of())) == pytest.approx(wanted, rel=1e-9)
    assert_close(gradients(parts), gradients(whole))


def shared_gradients(shard: Shard, other_clip: str = "ignored") -> dict[str, Tensor]:
    one = noisy(learner(shard=shard, fine=FineLoss(other_clip=other_clip)))
    torch.manual_seed(shard.rank)
    one.backward(batch_of(shard.rows(ROWS)))
    return gradients(one)


def test_processes_do_not_change_the_gradients(tmp_path: Path) -> None:
    """Although rows have different numbers of negatives, and every clip noise of its own."""
    wanted = shared_gradients(Shard())
    for found in run(2, shared_gradients, tmp_path):
        assert_close(found, wanted)


def subtracted_gradients(shard: Shard) -> dict[str, Tensor]:
    return shared_gradients(shard, "subtracted")


def test_the_next_clip_may_be_another_process_s(tmp_path: Path) -> None:
    wanted = subtracted_gradients(Shard())
    for found in run(2, subtracted_gradients, tmp_path):
        assert_close(found, wanted)


def test_the_noise_is_another_at_another_step_and_seed() -> None:
    def loss(step: int, seed: int = 0) -> float:
        return float(noisy(learner(seed=seed)).backward(batch_of(), step))

    assert loss(3) == loss(3)
    assert len({loss(3), loss(4), loss(3, seed=1)}) == 3


def test_prompts_learn_fast_and_never_decay() -> None:
    model = prompted_model()
    groups = make_optimizer(model, OptimSettings()).param_groups
    (prompts,) = [group for group in groups if group["name"] == "prompts"]
    assert (prompts["lr"], prompts["weight_decay"], len(prompts["params"])) == (1e-2, 0.0, 2)
    new = {
        id(parameter) for group in groups if group["name"] == "new" for parameter in group["params"]
    }
    assert model.fine_head is not None
    assert {id(parameter) for parameter in model.fine_head.parameters()} <= new


def test_a_run_without_fine_settings_is_recognised_as_before() -> None:
    assert not [
        name for name in run_identity(TrainingSettings(), {}) if "fine" in name or "prompt" in name
    ]
    changed = run_identity(TrainingSettings(fine=FineLoss(weight=0.3)), {})
    assert changed["fine.weight"] == "0.3"
    assert "fine.other_clip" not in changed


TEXTS = {"v0": ["a red car", "a red boat"], "v1": ["a blue fish"], "v2": ["a man is cooking"]}


class Zeros:
    @property
    def description(self) -> dict[str, str]:
        return {"source": "test"}

    def problems(self, videos: object) -> dict[str, str]:
        return {}

    def read(self, videos: list[str]) -> ClipArrays:
        return ClipArrays(
            torch.zeros(len(videos), 2, 3, 4).numpy(),
            torch.ones(len(videos), 2, dtype=torch.bool).numpy(),
        )


def negative(video: str, caption: str, text: str) -> Negative:
    return Negative(text, video, video, caption, text, "noun", 0, 1, "a", "b", "test")


def pair_batches(**settings: object) -> PairBatches:
    captions = tuple(
        Caption(f"{v}#{k}", v, text) for v, texts in TEXTS.items() for k, text in enumerate(texts)
    )
    rows = [
        negative(v, text, f"{text} {word}")
        for v in ("v0", "v1")
        for text in TEXTS[v]
        for word in ("dog", "cat")
    ]
    rows.append(negative("v1", "a blue fish", "a blue fish very very very long before the change"))
    values = {"batch_size": 3, "max_words": 12, "negatives": 2} | settings
    return PairBatches(
        Split("train", tuple(TEXTS), captions),
        Zeros(),
        tiny_tokenizer(),
        PairSettings(**values),
        texts_of(rows),
    )


def test_slot_0_is_the_whole_caption_and_missing_negatives_are_told() -> None:
    made = pair_batches(word_dropout=0.9)
    batch = made.batch_at(4)
    assert batch.candidates is not None
    for row, caption in enumerate(made.captions_at(4)):
        own = made.tokenizer.encode([caption.text], 12)
        width = min(12, batch.candidates.input_ids.shape[2])
        assert batch.candidates.input_ids[row, 0].tolist() == own.ids[0, :width].tolist()
        assert batch.candidates.real[row].tolist() == [True, *[caption.video_id != "v2"] * 2]
    again = pair_batches(word_dropout=0.9).batch_at(4).candidates
    assert again is not None
    assert torch.equal(again.input_ids, batch.candidates.input_ids)


def test_a_change_behind_the_last_word_read_is_no_negative() -> None:
    batch = pair_batches(max_words=5, negatives=3).batch_at(0)
    chosen = [caption.text for caption in pair_batches(max_words=5).captions_at(0)]
    assert batch.candidates is not None
    ids = batch.candidates.input_ids[chosen.index("a blue fish")]
    real = batch.candidates.real[chosen.index("a blue fish")]
    assert real[0]
    assert real.tolist() == [True, *((ids[1:] != ids[0]).any(1)).tolist()]
    assert not real.all()


def test_a_file_of_other_captions_is_refused() -> None:
    given = texts_of([negative("v0", "a red car", "a red dog")])
    assert given.require([("v0", " a red car"), ("v0", "else")]) == 1
    with pytest.raises(DataError, match="no training caption has negatives"):
        given.require([("v9", "a red car")])
