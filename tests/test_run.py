"""The debug recipe from nothing to a model directory, and what it leaves there."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from finereel.errors import ConfigError
from finereel.model import load
from finereel.recipes import RECIPES, recipe
from finereel.run import StageProgress, build, run, with_weights


def test_debug_recipe_trains_both_stages_and_reloads_to_the_same_scores(tmp_path: Path) -> None:
    events: list[StageProgress] = []
    model = run(recipe("debug"), tmp_path, events.append)
    assert [event.stage for event in events] == [1, 1, 1, 2, 2, 2]
    assert [event.result is not None for event in events] == [False, False, True] * 2
    loaded = load(tmp_path / "model")
    assert loaded.fingerprint == model.fingerprint
    texts = ["a red car jumps once above a blue house", "a fish"]
    assert torch.equal(loaded.encode_text(texts).sentence, model.encode_text(texts).sentence)


def test_scoring_other_granularities_keeps_what_both_have() -> None:
    model = build(recipe("debug"))
    with torch.no_grad():
        model.head.sentence_projection.mul_(2.0)
    coarse = with_weights(model, {"video_sentence": 1.0})
    assert not any("over_words" in name for name in coarse.state_dict())
    again = with_weights(coarse, model.config.weights)
    assert torch.equal(again.head.sentence_projection, model.head.sentence_projection)
    assert again.config.weights == model.config.weights


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_builds_and_fits_its_stages(name: str) -> None:
    chosen = replace(recipe(name), vocabulary_scenes=50)
    model = build(chosen)
    for stage in chosen.stages:
        assert stage.batches.image_size == model.encoder.image_size
        assert stage.batches.num_frames in (1, model.num_frames)
    assert sum(parameter.numel() for parameter in model.parameters()) < 6_000_000


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="debug"):
        recipe("debugg")


def test_stages_are_numbers_only(tmp_path: Path) -> None:
    shortened = replace(recipe("debug"), stages=recipe("debug").stages[:1])
    events: list[StageProgress] = []
    run(shortened, tmp_path, events.append)
    assert {event.stages for event in events} == {1}
