"""Gradients by chunks are those of the whole batch, with the same random numbers, and a budget
gives the chunk.
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from finereel.models.encoders.features import FeatureEncoder, FeatureGeometry
from finereel.models.encoders.patches import Perturbation
from finereel.models.features import TextFeatures, VideoFeatures, concatenate
from finereel.models.retrieval import RetrievalModel
from finereel.training.caching import MIB, Rows, cached_backward, chunk_for
from finereel.training.learner import symmetric_infonce
from finereel.training.settings import Precision
from tiny_models import FRAMES, IMAGE, WORDS, tiny_config, tiny_model

ROWS, SAMPLES = 5, 4
Loss = Callable[[TextFeatures, VideoFeatures], Tensor]


def random_model() -> RetrievalModel:
    """Noise in the choice of patches and dropout in the adapter."""
    torch.manual_seed(0)
    geometry = FeatureGeometry(
        dim=32,
        token_dim=8,
        tokens_per_frame=6,
        vocab_size=530,
        hidden=8,
        dropout=0.3,
        text_width=64,
        text_positions=16,
    )
    model = RetrievalModel(FeatureEncoder(geometry), tiny_config(shifted_blocks=()))
    model.set_perturbation(Perturbation(samples=SAMPLES, sigma=0.5))
    return model.double().train()


def exact_model() -> RetrievalModel:
    """In float64: two softmaxes of a temperature of 0.01 blow float32 rounding up to 1e-5."""
    return tiny_model().double().train()


def sides(
    model: RetrievalModel, noise: Tensor | None = None, precision: Precision | None = None
) -> tuple[Rows[TextFeatures], Rows[VideoFeatures]]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 500, (ROWS, WORDS), generator=generator)
    ids[:, -1] = 529
    words = torch.ones(ROWS, WORDS, dtype=torch.bool)
    mask = torch.arange(FRAMES)[None] < torch.tensor([1, 2, 3, 4, 4])[:, None]
    if isinstance(model.encoder, FeatureEncoder):
        frames = torch.randn(ROWS, FRAMES, 6, 8, generator=generator)
    else:
        frames = torch.randn(ROWS, FRAMES, 3, IMAGE, IMAGE, generator=generator)
    precision, wide = precision or Precision(), model.encoder.scale.dtype
    frames = frames.to(wide)

    def text(rows: slice) -> TextFeatures:
        with precision.autocast():
            return model.text_features(ids[rows], words[rows]).to(wide)

    def video(rows: slice) -> VideoFeatures:
        given = None if noise is None else noise[rows].flatten(0, 1)
        with precision.autocast():
            return model.video_features(frames[rows], mask[rows], given).to(wide)

    return Rows(text, ROWS), Rows(video, ROWS)


def loss_with(model: RetrievalModel) -> Loss:
    return lambda text, video: symmetric_infonce(model.score(text, video, 1 << 14).fused)


def by_chunks(
    side: Rows[TextFeatures] | Rows[VideoFeatures], chunk: int
) -> TextFeatures | VideoFeatures:
    return concatenate(
        [side.encode(slice(first, min(first + chunk, ROWS))) for first in range(0, ROWS, chunk)]
    )


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.zero_grad(set_to_none=True)
    return found


def assert_same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    """1e-9 relative, in float64; what is 0 but for rounding (biases of keys) is held to the largest
    of all.
    """
    assert set(found) == set(wanted)
    rounding = 1e-12 * max(float(gradient.abs().max()) for gradient in wanted.values())
    for name, gradient in wanted.items():
        assert (found[name] - gradient).abs().max() <= 1e-9 * gradient.abs().max() + rounding, name


@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_gradients_are_those_of_the_whole_batch(chunk: int) -> None:
    model = exact_model()
    noise = torch.randn(ROWS, FRAMES, SAMPLES, 9, generator=torch.Generator().manual_seed(2))
    given = sides(model, noise)
    wanted_loss = cached_backward(*given, 0, loss_with(model))
    wanted = gradients(model)
    loss = cached_backward(*given, chunk, loss_with(model))
    assert_same(gradients(model), wanted)
    assert torch.allclose(loss, wanted_loss, rtol=1e-12)
    assert not loss.requires_grad
    assert wanted["patches.scorer.hidden.weight"].any()
    assert wanted["encoder.clip.vision_model.embeddings.patch_embedding.weight"].any()


def test_random_numbers_are_the_same_in_both_passes() -> None:
    """Against one graph over the same chunks, from the same random state; the loss draws
    some too.
    """
    model = random_model()

    def loss_of(text: TextFeatures, video: VideoFeatures) -> Tensor:
        return loss_with(model)(text, video) * torch.rand(())

    texts, videos = sides(model)
    torch.manual_seed(7)
    text, video = by_chunks(texts, 2), by_chunks(videos, 2)
    loss_of(text, video).backward()
    wanted, after = gradients(model), torch.rand(1)
    torch.manual_seed(7)
    cached_backward(texts, videos, 2, loss_of)
    assert torch.equal(torch.rand(1), after), "random numbers must go on where the first pass ended"
    assert_same(gradients(model), wanted)
    torch.manual_seed(8)
    cached_backward(texts, videos, 2, loss_of)
    other = gradients(model)
    assert any(not torch.allclose(other[name], wanted[name], rtol=1e-3) for name in wanted), (
        "the noise must matter"
    )


def test_gradients_add_up_and_the_scale_is_theirs() -> None:
    model = exact_model()
    noise = torch.zeros(ROWS, FRAMES, SAMPLES, 9)
    given = sides(model, noise)
    plain = cached_backward(*given, 2, loss_with(model))
    once = gradients(model)
    cached_backward(*given, 2, loss_with(model))
    scaled = cached_backward(*given, 2, loss_with(model), lambda loss: 3.0 * loss)
    assert_same(gradients(model), {name: 4.0 * gradient for name, gradient in once.items()})
    assert torch.equal(plain, scaled)


def test_autocast_opened_by_the_encoder_keeps_every_gradient() -> None:
    """Weights cast in the pass without a graph must not be remembered for the pass with one."""
    model = tiny_model().train()
    given = sides(model, torch.zeros(ROWS, FRAMES, SAMPLES, 9), Precision("bfloat16"))
    cached_backward(*given, 0, loss_with(model))
    wanted = gradients(model)
    cached_backward(*given, 2, loss_with(model))
    found = gradients(model)
    assert set(found) == set(wanted)
    name = "encoder.clip.visual_projection.weight"
    assert (
        torch.nn.functional.cosine_similarity(found[name].flatten(), wanted[name].flatten(), dim=0)
        > 0.99
    )


def test_what_is_frozen_gets_none() -> None:
    model = exact_model()
    model.encoder.requires_grad_(False)
    cached_backward(*sides(model, torch.zeros(ROWS, FRAMES, SAMPLES, 9)), 2, loss_with(model))
    found = gradients(model)
    assert found
    assert not any(name.startswith("encoder.") for name in found)


def test_fewer_rows_are_held_at_a_time() -> None:
    """The point of it all: no graph ever holds more than a chunk."""
    model, held = exact_model(), []
    texts, videos = sides(model, torch.zeros(ROWS, FRAMES, SAMPLES, 9))

    def watched(rows: slice) -> VideoFeatures:
        features = videos.encode(rows)
        if features.video.requires_grad:
            held.append(len(features))
        return features

    cached_backward(texts, Rows(watched, ROWS), 2, loss_with(model))
    assert held == [2, 2, 1]


def test_a_budget_gives_the_chunk() -> None:
    weight = nn.Parameter(torch.ones(1 << 10, 1 << 8))  # a MiB, which every pass keeps

    def encode(rows: slice) -> TextFeatures:
        size = rows.stop - rows.start
        given = torch.ones(size, 1 << 10)  # 4 KiB a row
        hidden = (
            given @ weight
        ).square() + given @ weight  # keeps `given`, once, and 1 KiB a row for the square
        return TextFeatures(hidden, hidden[:, None], torch.ones(size, 1, dtype=torch.bool))

    assert chunk_for(1, Rows(encode, 1000)) == MIB // (5 << 10)
    assert chunk_for(1, Rows(encode, 7)) == 7
    assert chunk_for(0, Rows(encode, 1000)) == 1


def test_measuring_leaves_no_trace() -> None:
    model = random_model()
    texts, videos = sides(model)
    torch.manual_seed(5)
    wanted = torch.rand(1)
    torch.manual_seed(5)
    with torch.no_grad():
        assert 1 <= chunk_for(1, texts, videos) <= ROWS
    assert torch.equal(torch.rand(1), wanted)
    assert not gradients(model)
