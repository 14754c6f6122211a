"""The compiled kernels against torch, the reference, on every instruction set of this processor."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finereel.config import ModelConfig
from finereel.models.features import TextFeatures, VideoFeatures
from finereel.models.heads import compiled, make_head
from finereel.models.heads.ucofia import UcofiaHead
from support.kernels import without_kernels

PUBLISHED = {"mask_padding": False, "patch_units": "inner_product"}
ONE = torch.tensor(1.0)


@pytest.fixture(scope="module")
def library() -> ModuleType:
    if compiled.state() == "not installed":
        without_kernels()
    found: ModuleType = compiled._library()
    return found


def head_of(config: ModelConfig, dim: int, seed: int, spread: float) -> UcofiaHead:
    """Learned matrices off the identity by `spread`."""
    head, generator = make_head(config, dim).eval(), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator))
    assert isinstance(head, UcofiaHead)
    return head


def features(
    config: ModelConfig, lengths: list[int], counts: list[int], dim: int, seed: int
) -> tuple[TextFeatures, VideoFeatures]:
    """Texts of so many words and clips of so many frames; NaN stands in the padding."""
    generator, frames = torch.Generator().manual_seed(seed), torch.tensor(counts)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dim, generator=generator) + 0.7

    word_mask = torch.arange(config.max_words) < torch.tensor(lengths)[:, None]
    frame_mask = torch.arange(config.max_frames) < frames[:, None]
    patch_mask = frame_mask.repeat_interleave(config.patches_per_frame + 1, 1)
    hole = float("nan") if config.mask_padding else 0.5
    words = random(len(lengths), config.max_words).masked_fill(~word_mask[..., None], hole)
    shown = random(len(counts), config.max_frames).masked_fill(~frame_mask[..., None], hole)
    patches = random(len(counts), config.num_patches).masked_fill(~patch_mask[..., None], hole)
    video = torch.nn.functional.normalize(random(len(counts)), dim=-1)
    text = TextFeatures(random(len(lengths)), words, word_mask)
    return text, VideoFeatures(video, shown, patches, frame_mask, patch_mask)


def both(head: UcofiaHead, text: TextFeatures, video: VideoFeatures) -> tuple[Any, Any]:
    """Scores of the kernels and of torch."""
    with torch.no_grad(), pytest.MonkeyPatch.context() as patch:
        found = head.score(text, video, ONE).parts
        patch.setenv("FINEREEL_KERNELS", "off")
        return found, head.score(text, video, ONE).parts


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_equals_torch(library: ModuleType, data: st.DataObject) -> None:
    published, seed = data.draw(st.booleans()), data.draw(st.integers(0, 2**20))
    words, frames, kept = (data.draw(st.integers(1, most)) for most in (19, 7, 6))
    config = ModelConfig(
        max_words=words,
        max_frames=frames,
        patches_per_frame=kept,
        **(PUBLISHED if published else {}),
    )
    lengths = data.draw(st.lists(st.integers(0, words), min_size=1, max_size=6))
    counts = data.draw(st.lists(st.integers(0, frames), min_size=1, max_size=4))
    # Vectors of whole registers have a way of their own
    dim = data.draw(st.one_of(st.integers(1, 40), st.sampled_from([16, 32, 64])))
    spread = data.draw(st.sampled_from([0.05, 0.5, 3.0]))
    head = head_of(config, dim, seed, spread if spread < 1 else 0.05)
    if spread > 1:  # matrices so far apart that their softmaxes need a maximum
        with torch.no_grad():
            for part in (*head.over().values(), head.over_frames):
                part.mixing.mul_(spread)  # type: ignore[operator, union-attr]
    found, wanted = both(head, *features(config, lengths, counts, dim, seed))
    for name in ("frame_sentence", "patch_word"):
        size = float(wanted[name].abs().max().clamp_min(1.0))
        torch.testing.assert_close(
            found[name] / size, wanted[name] / size, rtol=0, atol=1e-5 if spread < 0.5 else 2e-5
        )


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("close", [False, True])
def test_every_instruction_set(
    library: ModuleType, published: bool, close: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All pairs, chosen pairs and int16, where similarities lie close together and where not."""
    config = ModelConfig(
        max_words=13, max_frames=5, patches_per_frame=2, **(PUBLISHED if published else {})
    )
    head = head_of(config, 48, 0, 0.1)
    text, video = features(config, [13, 1, 5, 0, 12], [5, 1, 0, 4], 48, 1)
    if close:
        video = replace(video, patches=video.patches * 1e-3) if published else video
    _, wanted = both(head, text, video)
    chosen = torch.rand(5, 4, generator=torch.Generator().manual_seed(2)) < 0.5
    run, size = library.score, float(wanted["patch_word"].abs().max().clamp_min(1.0))
    with torch.no_grad():
        sides = compiled.sides_of(
            head.prepare_text(text), head.prepare_video(video), head.over(), head.mask_padding
        )
        assert sides is not None
        for name in library.SETS:
            monkeypatch.setattr(library, "score", lambda job, name=name: run(job, name))
            with monkeypatch.context() as patch:
                patch.setattr(compiled, "_FEW_WORDS", 0)
                by_torch = compiled.patch_word(sides, head.over())
            halves = replace(sides, patches=sides.patches.half())
            rounded = replace(sides, patches=halves.patches.float())
            apart = compiled.patch_word(halves, head.over()) - compiled.patch_word(
                rounded, head.over()
            )
            results = {
                "all": (by_torch, 1e-5),
                "few": (compiled.patch_word(sides, head.over()), 1e-5),
                "halves": (wanted["patch_word"] + apart, 1e-6),
                "int16": (compiled.int16_pairs(sides, head.over()), 1e-3),
                "chosen": (
                    torch.where(
                        chosen,
                        compiled.chosen_pairs(sides, head.over(), chosen),
                        wanted["patch_word"],
                    ),
                    1e-5,
                ),
            }
            for way, (found, tolerance) in results.items():
                worst = float((found - wanted["patch_word"]).abs().max()) / size
                assert worst <= tolerance, (name, way, worst)


@pytest.mark.parametrize("published", [False, True])
def test_stored_clips_score_alike_in_half_precision(
    library: ModuleType, published: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch to the last bit, the kernels within 1e-5: half precision is what the library has."""
    config = ModelConfig(max_words=9, max_frames=5, **(PUBLISHED if published else {}))
    head = head_of(config, 64, 0, 0.05)
    text, video = features(config, [7], [5, 1, 4, 5], 64, 1)
    halves = head.stored(video)
    halves = replace(halves, patches=halves.patches.half())
    single = replace(halves, patches=halves.patches.float())
    with torch.no_grad():
        found = head.score(text, halves, ONE).parts["patch_word"]
        assert torch.equal(found, head.score(text, single, ONE).parts["patch_word"])
        monkeypatch.setenv("FINEREEL_KERNELS", "off")
        wanted = head.score(text, single, ONE).parts["patch_word"]
        assert torch.equal(head.score(text, halves, ONE).parts["patch_word"], wanted)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def test_threads_give_the_same_bytes(library: ModuleType) -> None:
    config, before = ModelConfig(max_words=6), torch.get_num_threads()
    head = head_of(config, 16, 0, 0.1)
    sides = features(config, [6, 3] * 40, [12, 4] * 40, 16, 3)
    one, _ = both(head, *sides)
    try:
        torch.set_num_threads(3)
        three, _ = both(head, *sides)
    finally:
        torch.set_num_threads(before)
    torch.testing.assert_close(three["patch_word"], one["patch_word"], rtol=0, atol=1e-6)


def test_what_the_kernels_do_not_serve_is_left_to_torch(
    library: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = ModelConfig(max_words=6)
    text, video = features(config, [6, 3], [12, 4], 16, 0)
    calls: list[object] = []
    run = library.score
    monkeypatch.setattr(library, "score", lambda job: (calls.append(job), run(job)))

    def called(
        head: UcofiaHead, text: TextFeatures = text, kind: torch.dtype = torch.float32
    ) -> bool:
        calls.clear()
        head.to(kind).score(text.to(kind), video.to(kind), ONE.to(kind))
        return bool(calls)

    head = head_of(config, 16, 0, 0.1)
    assert not called(head)  # gradients
    with torch.no_grad():
        assert called(head)
        assert not called(head, kind=torch.float64)
        head = head.to(torch.float32)
        assert not called(head_of(replace(config, aggregation="softmax"), 16, 0, 0.1))
        late = replace(text, word_mask=text.word_mask.flip(1))
        only_words = head_of(replace(config, weights={"patch_word": 1.0}), 16, 0, 0.1)
        assert called(only_words)
        assert not called(only_words, text=replace(late, words=text.words.nan_to_num(0.0)))
        monkeypatch.setenv("FINEREEL_KERNELS", "off")
        assert not called(head)
        assert compiled.state() == "off"


def test_a_broken_feature_is_not_hidden(library: ModuleType) -> None:
    config = ModelConfig(max_words=6)
    head = head_of(config, 16, 0, 0.1)
    text, video = features(config, [6, 3], [12, 4], 16, 0)
    for bad in (float("nan"), float("inf")):
        broken = replace(video, patches=video.patches.clone(), frames=video.frames.clone())
        broken.patches[1, 0, 0] = broken.frames[1, 0, 0] = bad
        found, _ = both(head, text, broken)
        for name in ("frame_sentence", "patch_word"):
            assert found[name].isfinite().tolist() == [[True, False], [True, False]], (name, bad)


def test_another_interface_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    stranger = ModuleType("finereel_kernels")
    stranger.INTERFACE = 0  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "finereel_kernels", stranger)
    assert compiled._library.__wrapped__() is None
