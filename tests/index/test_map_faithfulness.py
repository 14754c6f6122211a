"""How far maps of words are true: hiding patches all at once gives what hiding them one mask at a
time gives, and a map that names what is needed deletes better than chance.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from finereel.index import map_faithfulness
from finereel.index.evidence import WordFinder
from finereel.index.map_faithfulness import (
    AskedClip,
    MapMeasure,
    asked_of_caption,
    asked_of_scene,
    intervals,
    measure_maps,
    summary,
)
from finereel.index.places import ClipView
from finereel.models.retrieval import RetrievalModel
from finereel.models.saving import load
from finereel.reelworld import captions, sample_scene


@pytest.fixture(scope="module")
def tiny() -> RetrievalModel:
    return load("reelworld-tiny")


@pytest.fixture(scope="module", params=["reelworld-tiny", "everyday"])
def view(request: pytest.FixtureRequest) -> ClipView:
    """A clip whose frames see one another in the encoder, and one whose frames do not."""
    model = load(request.param)
    scene = sample_scene(0, "test")
    frames = map_faithfulness.frames_of(scene, model)
    return ClipView(model, replace(frames, pixels=frames.pixels[:5], seconds=frames.seconds[:5]))


def test_masks_scored_together_score_as_they_do_alone(view: ClipView) -> None:
    text = view.model.encode_text([captions(sample_scene(0, "test"))[0], "a red car"])
    chance = torch.Generator().manual_seed(0)
    hidden = torch.rand(10, view.count, view.side**2, generator=chance) < 0.3
    hidden[3] = False
    hidden[4, 1:] = False
    together = view.scores(text, hidden)
    assert together.shape == (10, 2)
    for row in range(10):
        assert torch.allclose(together[row], view.score(text, hidden[row]), atol=1e-3)
    assert torch.allclose(together[3], view.score(text), atol=1e-3)
    assert float((together[4] - together[3]).abs().max()) > 1e-3


def test_a_hidden_patch_is_the_mean_colour_of_its_frame(view: ClipView) -> None:
    """Hiding everything is the same as a clip of its frames' mean colours."""
    text = view.model.encode_text(["a red car"])
    everything = torch.ones(view.count, view.side**2, dtype=torch.bool)
    hidden = float(view.score(text, everything))
    flat = view._pixels.clone()
    flat[:, : view.count] = flat[:, : view.count].mean(dim=(3, 4), keepdim=True)
    tokens = view.model.encoder.encode_frames(flat, view._mask)
    video = view.model.features_of_tokens(tokens, view._mask)
    assert hidden == pytest.approx(float(view.model.score(text, video).fused), abs=1e-3)


def test_a_map_of_what_is_needed_deletes_and_inserts_better(
    tiny: RetrievalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = asked_of_scene(tiny, sample_scene(0, "test"))
    needed = torch.arange(25) < 5

    def scores(self: ClipView, text: object, hidden: torch.Tensor) -> torch.Tensor:
        return 3.0 - (hidden & needed).float().mean((1, 2))[:, None] * 25

    def maps(self: ClipView, query: str, spans: tuple[Any, ...]) -> torch.Tensor:
        return (25.0 - torch.arange(25)).expand(len(spans), self.count, 25)

    monkeypatch.setattr(ClipView, "scores", scores)
    monkeypatch.setattr(ClipView, "maps", maps)
    found = measure_maps(tiny, [clip])
    # 3 of 25 patches are hidden first: the curve is 1, 2/5, 0, ...
    assert found.deletion[0] == pytest.approx((1 + 2 / 5) / 9, abs=1e-3)
    assert found.insertion[0] == pytest.approx((8 - 2 / 5) / 9, abs=1e-3)
    assert found.deletion[0] < found.deletion_random[0]
    assert found.insertion[0] > found.insertion_random[0]
    assert found.better == 1.0
    assert found.pointed[0] in (True, False)


def test_a_scene_is_measured_in_every_way(tiny: RetrievalModel) -> None:
    found = measure_maps(tiny, [asked_of_scene(tiny, sample_scene(seed, "val")) for seed in (0, 1)])
    values = summary(found)
    assert len(found.shown) == 2
    assert 0 < values["pointing_by_chance"] < 0.5
    assert values["deletion"] < values["insertion"]
    ends = intervals(found)
    assert set(ends) == set(values)
    for name, (low, high) in ends.items():
        assert low <= values[name] <= high


def test_captions_do_not_say_where_things_are(tiny: RetrievalModel) -> None:
    finder, scene = WordFinder({}), sample_scene(0, "val")
    clip = asked_of_caption(
        finder, "slowly a red car jumps", lambda: map_faithfulness.frames_of(scene, tiny)
    )
    assert clip is not None
    assert [clip.query[start:end] for start, end in clip.spans] == ["car", "red", "jumps"]
    assert asked_of_caption(finder, "slowly", clip.frames) is None
    found = measure_maps(tiny, [clip])
    assert (found.pointed, found.on_object) == ((None,), (None,))
    assert "pointing" not in summary(found)


def test_clips_that_score_no_better_than_empty_ones_are_left_out_of_the_areas() -> None:
    empty = float("nan")
    maps = MapMeasure(
        (0.25, empty), (0.5, empty), (0.75, empty), (0.5, empty), (True, False), (True, True),
        (None, None), (None, None),
    )  # fmt: skip
    assert summary(maps)["deletion"] == 0.25
    assert maps.better == 0.5
    assert summary(maps)["boxes_shown"] == 0.5
    assert np.isnan(maps.rows([1, 1]).deletion).all()
    assert AskedClip("a", (), lambda: None).on_object is None  # type: ignore[arg-type, return-value]
