"""The linear start: against a slow reference, on data where the truth is known, and in small and
odd cases.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finereel.data.base import Caption, ClipArrays, Split
from finereel.errors import ConfigError, TrainingError
from finereel.models.encoders.efficientnet import EfficientNetGeometry
from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.heads import head_config
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load, save
from finereel.statistics.metrics import retrieval_metrics
from finereel.text import WordPieceTokenizer, train_tokenizer
from finereel.training import closed_form
from finereel.training.closed_form import ClosedForm, Moments, canonical, fit_towers
from tiny_encoders import tiny_dual

COLOURS = ("red", "green", "blue", "white", "black", "yellow")
THINGS = ("car", "fish", "house", "ball", "tree")
WIDTH, FRAMES = 16, 3


@dataclass(frozen=True)
class Pictures:
    """Clips whose tokens are a fixed random vector per colour and per thing, with noise; one frame
    may be padding.
    """

    split: Split
    noise: float = 0.3
    description: Mapping[str, str] = None  # type: ignore[assignment]

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        basis = np.random.default_rng(7).standard_normal((len(COLOURS) + len(THINGS), WIDTH))
        frames, masks = [], []
        for video in videos:
            colour, thing, number = video.split("-")
            drawn = (
                np.random.default_rng(int(number)).standard_normal((FRAMES, 3, WIDTH)) * self.noise
            )
            picture = basis[COLOURS.index(colour)] + basis[len(COLOURS) + THINGS.index(thing)]
            frames.append((picture + drawn).astype(np.float32))
            masks.append([True, True, int(number) % 2 == 0])
        mask = np.array(masks, dtype=bool).reshape(-1, FRAMES)
        tokens = np.stack(frames) if frames else np.empty((0, FRAMES, 3, WIDTH), np.float32)
        return ClipArrays(np.where(mask[:, :, None, None], tokens, np.float32(1e6)), mask)


def split_of(name: str, copies: int, first: int) -> Split:
    videos, captions = [], []
    for number, (colour, thing) in enumerate(
        (c, t) for c in COLOURS for t in THINGS for _ in range(copies)
    ):
        video = f"{colour}-{thing}-{first + number}"
        videos.append(video)
        captions += [
            Caption(f"{video}#0", video, f"a {colour} {thing}"),
            Caption(f"{video}#1", video, f"there is a {thing} that is {colour}"),
        ]
    return Split(name, tuple(videos), tuple(captions))


TRAIN, TEST = split_of("train", 4, 0), split_of("test", 1, 1000)


def model(bag: bool = True, dim: int = 12) -> RetrievalModel:
    torch.manual_seed(0)
    tokenizer = train_tokenizer([caption.text for caption in TRAIN.captions], 560)
    geometry = FeatureGeometry(
        dim=dim,
        token_dim=WIDTH,
        tokens_per_frame=3,
        vocab_size=tokenizer.vocab_size,
        text_width=32,
        text_blocks=1,
        bag_of_words=bag,
    )
    config = head_config(
        "clip4clip", temporal="meanP", max_words=16, max_frames=FRAMES, shifted_blocks=()
    )
    return RetrievalModel(FeatureEncoder(geometry), config, tokenizer).eval()


def recall(trained: RetrievalModel) -> float:
    first = TEST.first_captions(1)
    arrays = Pictures(TEST).read(TEST.videos)
    with torch.no_grad():
        text = trained.encode_text([caption.text for caption in first.captions])
        scores = trained.score(text, trained.encode_clips(arrays.frames, arrays.frame_mask)).fused
    return retrieval_metrics(scores.double().numpy(), first.video_of_caption).r1


def test_it_finds_which_word_goes_with_which_picture_and_random_towers_do_not() -> None:
    started = model()
    assert recall(started) < 20
    correlations = fit_towers(started, TRAIN, Pictures(TRAIN), ClosedForm(ridge_words=0.1))
    assert recall(started) == 100
    assert correlations[0] > 0.9
    assert bool((correlations.diff() <= 0).all())


def test_features_are_as_long_as_asked_and_centred() -> None:
    started, source = model(), Pictures(TRAIN)
    rank = len(fit_towers(started, TRAIN, source, ClosedForm(length=7.0)))
    assert 9 <= rank <= 12, "six colours and five things leave nine directions"
    arrays = source.read(TRAIN.videos)
    encoder = started.encoder
    with torch.no_grad():
        pooled = encoder.mean_frame(
            torch.from_numpy(arrays.frames), torch.from_numpy(arrays.frame_mask)
        )
        clips = encoder.adapter.linear(pooled)[:, :rank]
    torch.testing.assert_close(clips.mean(0), torch.zeros(rank), atol=1e-3, rtol=0.0)
    torch.testing.assert_close(
        clips.square().sum(1).mean().sqrt(), torch.tensor(7.0), rtol=1e-3, atol=0.0
    )


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, pieces = model(), model()
    fit_towers(whole, TRAIN, Pictures(TRAIN), ClosedForm())
    monkeypatch.setattr(closed_form, "_CHUNK", 7)
    told: list[tuple[int, int]] = []
    fit_towers(
        pieces,
        TRAIN,
        Pictures(TRAIN),
        ClosedForm(),
        lambda what, done, total: told.append((done, total)),
    )
    assert told[0] == (7, 120)
    assert told[-1] == (120, 120)
    first, second = (recall_scores(started) for started in (whole, pieces))
    torch.testing.assert_close(first, second, atol=1e-4, rtol=1e-4)


def recall_scores(started: RetrievalModel) -> torch.Tensor:
    arrays = Pictures(TEST).read(TEST.videos)
    with torch.no_grad():
        text = started.encode_text([caption.text for caption in TEST.captions])
        scores: torch.Tensor = started.score(
            text, started.encode_clips(arrays.frames, arrays.frame_mask)
        ).fused
    return scores


def test_a_started_model_comes_back_from_disk(tmp_path: Path) -> None:
    started = model()
    fit_towers(started, TRAIN, Pictures(TRAIN), ClosedForm())
    save(started, tmp_path / "model")
    assert torch.equal(recall_scores(load(tmp_path / "model")), recall_scores(started))


def test_canonical_directions_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((500, 3))
    x = np.concatenate([common, rng.standard_normal((500, 3))], 1) @ rng.standard_normal((6, 6))
    y = (common + 0.5 * rng.standard_normal((500, 3))) @ rng.standard_normal(
        (3, 4)
    ) + 0.1 * rng.standard_normal((500, 4))
    x, y = x - x.mean(0), y - y.mean(0)
    parts = {"xx": x.T @ x / 500, "xy": x.T @ y / 500, "yy": y.T @ y / 500}
    moments = Moments(
        torch.zeros(6),
        torch.zeros(4),
        **{name: torch.from_numpy(part) for name, part in parts.items()},
    )
    found = canonical(moments, 1e-9, 1e-9, 3)
    for k in range(3):
        a, b = x @ found.x[:, k].numpy(), y @ found.y[:, k].numpy()
        assert np.corrcoef(a, b)[0, 1] == pytest.approx(float(found.correlations[k]), abs=1e-4)
        assert (a.var(), b.var()) == pytest.approx((1, 1), abs=1e-3)
    orthonormal_x, orthonormal_y = np.linalg.qr(x)[0], np.linalg.qr(y)[0]
    wanted = np.linalg.svd(orthonormal_x.T @ orthonormal_y, compute_uv=False)[:3]
    np.testing.assert_allclose(found.correlations.numpy(), wanted, atol=1e-4)


def test_more_dimensions_than_the_tokens_have_keep_their_random_start() -> None:
    started, untouched = model(dim=20), model(dim=20)
    fit_towers(started, TRAIN, Pictures(TRAIN), ClosedForm(ridge_words=0.1))
    assert torch.equal(
        started.encoder.adapter.linear.weight[WIDTH:],
        untouched.encoder.adapter.linear.weight[WIDTH:],
    )
    assert recall(started) == 100


def test_too_few_common_words_and_models_without_a_bag_are_refused() -> None:
    few = Split("train", TRAIN.videos[:2], TRAIN.captions[:4])
    with pytest.raises(TrainingError, match="set rarest lower"):
        fit_towers(model(), few, Pictures(few), ClosedForm())
    with pytest.raises(ConfigError, match="bag_of_words=true"):
        fit_towers(model(bag=False), TRAIN, Pictures(TRAIN), ClosedForm())


def test_directions_that_correlate_with_nothing_are_left_out() -> None:
    rank_one = torch.zeros(3, 3)
    rank_one[0, 0] = 0.5
    found = canonical(
        Moments(torch.zeros(3), torch.zeros(3), torch.eye(3), rank_one, torch.eye(3)), 1e-6, 1e-6, 3
    )
    assert found.x.shape == found.y.shape == (3, 1)
    torch.testing.assert_close(
        found.x.abs(), torch.tensor([[1.0], [0.0], [0.0]]), atol=1e-4, rtol=0.0
    )


def test_clips_that_are_all_alike_are_refused() -> None:
    class Alike(Pictures):
        def read(self, videos: Sequence[str]) -> ClipArrays:
            tokens = np.zeros((len(videos), FRAMES, 3, WIDTH), np.float32)
            return ClipArrays(tokens, np.ones((len(videos), FRAMES), bool))

    with pytest.raises(TrainingError, match="alike"):
        fit_towers(model(), TRAIN, Alike(TRAIN), ClosedForm())


@pytest.mark.parametrize(
    "wrong", [{"ridge_words": 0.0}, {"ridge_clips": -1.0}, {"rarest": 0}, {"length": 0.0}]
)
def test_settings_outside_their_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        ClosedForm(**wrong)


def two_backbones(**settings: Any) -> RetrievalModel:
    """A dual model whose vision backbone made tokens of WIDTH numbers."""
    vision = EfficientNetGeometry(image_size=64, width=WIDTH)
    encoder = tiny_dual(dim=12, vision_config=vision, **settings)
    return RetrievalModel(
        encoder, head_config("clip4clip", temporal="meanP", max_words=8), words_of_the_world()
    )


def words_of_the_world() -> WordPieceTokenizer:
    pieces = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "there", "is", "that", *COLOURS, *THINGS)
    return WordPieceTokenizer({piece: number for number, piece in enumerate(pieces)})


@dataclass(frozen=True)
class FourPatches:
    """The same clips with the four patches that the vision backbone gives."""

    pictures: Pictures
    description: Mapping[str, str] = field(default_factory=dict)

    def problems(self, videos: Sequence[str]) -> Mapping[str, str]:
        return {}

    def read(self, videos: Sequence[str]) -> ClipArrays:
        clips = self.pictures.read(videos)
        patches = np.concatenate([clips.frames, clips.frames[:, :, :1]], 2)
        own = patches.mean(2, keepdims=True)
        return ClipArrays(np.concatenate([own, patches], 2), clips.frame_mask)


@pytest.mark.parametrize("separate", [False, True])
def test_two_backbones_start_as_a_slow_reference_computes(separate: bool) -> None:
    """Every caption is a sample of weight 1 / captions of its clip; both sides as numpy has them."""
    built, source = two_backbones(separate_patches=separate), FourPatches(Pictures(TRAIN))
    settings = ClosedForm(ridge_words=0.5, ridge_clips=1.0, power=1.0)
    correlations = fit_towers(built, TRAIN, source, settings)
    encoder = built.encoder
    texts, seen = [], []
    for video in TRAIN.videos:
        for caption in TRAIN.captions:
            if caption.video_id == video:
                tokens = built.tokenizer.encode([caption.text], 8)
                ids, mask = torch.from_numpy(tokens.ids), torch.from_numpy(tokens.mask)
                with torch.no_grad():
                    texts.append(encoder.pooled_text(ids, mask)[0][0].double().numpy())
                clip = source.read([video])
                seen.append(clip.frames[0, clip.frame_mask[0], 0].mean(0).astype(np.float64))
    x, y = np.array(texts), np.array(seen)
    xc, yc = x - x.mean(0), y - y.mean(0)
    xx, yy, xy = xc.T @ xc / len(x), yc.T @ yc / len(y), xc.T @ yc / len(x)
    xx += 0.5 * np.trace(xx) / len(xx) * np.eye(len(xx))
    yy += 1.0 * np.trace(yy) / len(yy) * np.eye(len(yy))
    squares = np.linalg.eigvals(np.linalg.solve(xx, xy) @ np.linalg.solve(yy, xy.T)).real
    expected = np.sqrt(np.sort(squares)[::-1][: len(correlations)])
    np.testing.assert_allclose(correlations.numpy(), expected, atol=2e-4)
    rank = len(correlations)

    def directions(linear: torch.nn.Linear) -> torch.Tensor:
        return linear.weight[:rank]

    assert torch.equal(directions(encoder.text_projection), directions(encoder.word_projection))
    if separate:
        assert torch.equal(
            directions(encoder.patch_projection), directions(encoder.visual_projection)
        )
    with torch.no_grad():
        sentences = encoder.text_projection(torch.from_numpy(x).float())
    np.testing.assert_allclose(sentences[:, :rank].mean(0), 0.0, atol=1e-3)


def test_captions_beyond_the_most_of_a_clip_do_not_count() -> None:
    source = FourPatches(Pictures(TRAIN))
    one = fit_towers(two_backbones(), TRAIN, source, ClosedForm(captions=1))
    first = fit_towers(two_backbones(), TRAIN.first_captions(1), source, ClosedForm())
    assert torch.equal(one, first)
    assert not torch.equal(one, fit_towers(two_backbones(), TRAIN, source, ClosedForm()))


def test_clips_that_rounding_alone_tells_apart_are_alike() -> None:
    """Their covariance is no positive matrix, which must not surface as an error of linear algebra."""

    @dataclass(frozen=True)
    class Alike(FourPatches):
        def read(self, videos: Sequence[str]) -> ClipArrays:
            frames = np.full((len(videos), FRAMES, 5, WIDTH), 7.1, np.float32)
            frames += np.random.default_rng(0).normal(size=frames.shape).astype(np.float32) * 1e-6
            return ClipArrays(frames, np.ones((len(videos), FRAMES), dtype=bool))

    with pytest.raises(TrainingError, match="are alike"):
        fit_towers(two_backbones(), TRAIN, Alike(Pictures(TRAIN)), ClosedForm())
