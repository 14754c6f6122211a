"""Recipes: every one is whole, names are known, and any number can be changed by name."""

import dataclasses
from typing import Any

import pytest

from finereel.data import DATASETS
from finereel.errors import ConfigError
from finereel.models.heads import HEADS
from finereel.recipes import RECIPES, PairRecipe, WorldRecipe, recipe
from finereel.recipes.base import HoldOut
from finereel.recipes.overrides import Changes, changed, with_values
from finereel.recipes.run import build, with_weights


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_bears_its_name_and_a_known_data_set(name: str) -> None:
    made = recipe(name)
    assert made.name == name
    if isinstance(made, PairRecipe):
        assert made.data in DATASETS
        assert made.most_missing <= 0.05


def test_every_data_set_of_the_papers_has_a_recipe() -> None:
    parts_of_everyday = {"flickr8k", "msrvtt_frames"}
    assert set(DATASETS) - {"reelworld"} - parts_of_everyday <= set(RECIPES)


def test_an_unknown_recipe_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="debug"):
        recipe("debugg")


def test_the_published_recipe_differs_where_it_says_so() -> None:
    ours, published = recipe("msrvtt"), recipe("msrvtt-published")
    assert isinstance(ours, PairRecipe)
    assert isinstance(published, PairRecipe)
    assert published.training.optim.kind == "bertadam"
    assert published.training.optim.tower_lr == pytest.approx(1e-3 * published.training.optim.lr)
    assert (published.pairs.unit, ours.pairs.unit) == ("captions", "videos")
    assert not published.model.mask_padding
    assert ours.training.optim.tower_lr >= 1e-6
    assert published.passes == ours.passes == 15.0


def test_paragraphs_take_64_words_and_64_frames() -> None:
    for name in ("didemo", "activitynet"):
        assert (recipe(name).model.max_words, recipe(name).model.max_frames) == (64, 64)


def pairs(**changes: Any) -> PairRecipe:
    made = changed(recipe("msrvtt"), Changes(**changes))
    assert isinstance(made, PairRecipe)
    return made


def test_options_change_what_they_say() -> None:
    made = pairs(data="msvd", steps=7, batch_size=6, seed=5)
    assert made.data == "msvd"
    assert (made.passes, made.training.steps) == (None, 7)
    assert made.pairs.batch_size == 6
    assert made.training.seed == made.pairs.seed == 5


@pytest.mark.parametrize("head", sorted(HEADS))
def test_every_head_can_score_every_stage_of_a_world(head: str) -> None:
    made = changed(recipe("reelworld-tiny"), Changes(head=head))
    assert isinstance(made, WorldRecipe)
    model = build(dataclasses.replace(made, vocabulary_scenes=20))
    for stage in made.stages:
        staged = with_weights(model, stage.weights or made.model.weights)
        assert set(staged.head.weights) <= set(HEADS[head].granularities(staged.config))


@pytest.mark.parametrize("head", sorted(HEADS))
def test_another_head_comes_with_its_own_settings_and_the_recipes_sizes(head: str) -> None:
    made = changed(recipe("didemo"), Changes(head=head))
    assert made.model.head == head
    assert (made.model.max_words, made.model.max_frames) == (64, 64)
    assert set(made.model.weights) == set(HEADS[head].granularities(made.model))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("optim.lr", "3e-4", 3e-4),
        ("training.optim.lr", "1", 1.0),
        ("patience", "3", 3),
        ("unit", "captions", "captions"),
        ("temporal", "meanP", "meanP"),
        ("mask_padding", "false", False),
        ("freeze", '["temporal"]', ("temporal",)),
        ("weights", '{"video_sentence": 1.0}', {"video_sentence": 1.0}),
        ("passes", "2", 2.0),
        ("share", "0.2", 0.2),
    ],
)
def test_any_number_can_be_set(name: str, text: str, value: object) -> None:
    found: Any = pairs(values={name: text})
    for part in FULL.get(name, name).split("."):
        found = getattr(found, part)
    assert found == value
    assert type(found) is type(value)


FULL = {
    "optim.lr": "training.optim.lr",
    "patience": "training.patience",
    "unit": "pairs.unit",
    "temporal": "model.temporal",
    "mask_padding": "model.mask_padding",
    "freeze": "training.optim.freeze",
    "weights": "model.weights",
    "share": "hold_out.share",
}


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("learning_rate", "1", "no setting 'learning_rate'.*training.optim.lr"),
        ("seed", "1", "write it in full"),
        ("patience", "often", "patience must be int"),
        ("patience", "true", "patience must be int"),
        ("temporal", "lstm", "seqLSTM"),
        ("optim.lr", "fast", "must be float"),
        ("share", "2", "share"),
        ("unit", "words", "unit"),
        ("pairs.world", "3", "no setting"),
        ("training.steps", "3", "no setting"),
    ],
)
def test_what_cannot_be_set_is_refused_with_a_reason(name: str, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        pairs(values={name: text})


def test_of_a_world_steps_seed_and_model_can_be_changed() -> None:
    made = changed(recipe("debug"), Changes(steps=2, seed=4, values={"temporal": "meanP"}))
    assert isinstance(made, WorldRecipe)
    assert [stage.training.steps for stage in made.stages] == [2, 2]
    assert {stage.training.seed for stage in made.stages} == {4}
    assert made.model.temporal == "meanP"
    with pytest.raises(ConfigError, match="draws its own data"):
        changed(recipe("debug"), Changes(batch_size=4))


def test_more_steps_than_any_stage_of_a_world_are_refused() -> None:
    made = changed(recipe("reelworld-tiny"), Changes(steps=1100))
    assert isinstance(made, WorldRecipe)
    assert [stage.training.steps for stage in made.stages] == [1100, 1000, 800]
    with pytest.raises(ConfigError, match=r"stages of debug have 3, 3 steps.*got 9"):
        changed(recipe("debug"), Changes(steps=9))


def test_no_change_changes_nothing() -> None:
    assert changed(recipe("msrvtt"), Changes()) == recipe("msrvtt")
    assert dataclasses.asdict(with_values(HoldOut(), {})) == dataclasses.asdict(HoldOut())
