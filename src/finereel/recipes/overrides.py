"""Change numbers of a recipe by name: `lr=3e-4`, or in full `training.optim.lr=3e-4`."""

import dataclasses
import json
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from finereel.config import ModelConfig
from finereel.errors import ConfigError
from finereel.models.heads import HEADS, head_config
from finereel.recipes.base import PairRecipe, Recipe, Stage, WorldRecipe

Settings = TypeVar("Settings")

_FIXED = frozenset(
    {
        "name",
        "card",
        "geometry",
        "stages",
        "start",
        "towers",
        "warm_up.steps",
        "training.optim.groups",
        "training.data",
        "training.steps",
    }
    | {"training.validate_every", "pairs.max_words", "pairs.rank", "pairs.world"}
)
"""What is no number, follows from another setting, or has an option of its own."""


@dataclass(frozen=True)
class Changes:
    """What a person asks to be different. values: settings by name, as text; the others have
    options of their own.
    """

    data: str | None = None
    head: str | None = None
    steps: int | None = None
    batch_size: int | None = None
    seed: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with the changes made. ConfigError for a setting the recipe has not, or a value it
    cannot take.
    """
    if changes.head is not None:
        recipe = replace(recipe, model=with_head(recipe, changes.head))
        if isinstance(recipe, WorldRecipe):
            recipe = replace(
                recipe, stages=tuple(_for_head(stage, recipe.model) for stage in recipe.stages)
            )
    if isinstance(recipe, WorldRecipe):
        return _changed_world(recipe, changes)
    values = dict(changes.values)
    if changes.steps is not None:
        recipe = _with_steps(recipe, changes.steps)
    if changes.data is not None:
        recipe = replace(recipe, data=changes.data)
    if changes.batch_size is not None:
        recipe = replace(recipe, pairs=replace(recipe.pairs, batch_size=changes.batch_size))
    if changes.seed is not None:
        seed = changes.seed
        recipe = replace(
            recipe,
            training=replace(recipe.training, seed=seed),
            pairs=replace(recipe.pairs, seed=seed),
        )
    return with_values(recipe, values)


def _with_steps(recipe: PairRecipe, steps: int) -> PairRecipe:
    """So many steps instead of passes; warming up takes no more."""
    warm_up = recipe.warm_up and replace(recipe.warm_up, steps=min(steps, recipe.warm_up.steps))
    return replace(
        recipe, passes=None, training=replace(recipe.training, steps=steps), warm_up=warm_up
    )


def with_head(recipe: Recipe, head: str, **settings: object) -> ModelConfig:
    """The model settings of a recipe with another head: sizes stay, everything else is as that head
    was published.

    settings: what is different besides, by name of `finereel.config.ModelConfig`.
    """
    kept = ("max_words", "max_frames", "shifted_blocks", "temporal_layers", "mask_padding", "fine")
    return head_config(head, **{**{name: getattr(recipe.model, name) for name in kept}, **settings})


def _for_head(stage: Stage, model: ModelConfig) -> Stage:
    """The stage without granularities that the head does not have; all the head's, where none is
    left.
    """
    known = HEADS[model.head].granularities(model)
    return replace(
        stage,
        weights={name: part for name, part in (stage.weights or {}).items() if name in known}
        or None,
    )


def _changed_world(recipe: WorldRecipe, changes: Changes) -> WorldRecipe:
    """Apply changes to a recipe on ReelWorld: the seed, the largest number of steps of every stage,
    and everything in `model`.
    """
    if changes.data is not None or changes.batch_size is not None:
        raise ConfigError(
            f"{recipe.name} draws its own data: data set and batch size are those of its stages"
        )
    stages = recipe.stages
    if changes.steps is not None:
        most, own = changes.steps, [stage.training.steps for stage in stages]
        if most > max(own):
            raise ConfigError(
                f"the stages of {recipe.name} have {', '.join(map(str, own))} steps, which can be "
                "fewer but not more: "
                f"expected at most {max(own)} steps, got {most}"
            )
        stages = tuple(
            replace(stage, training=replace(stage.training, steps=min(most, stage.training.steps)))
            for stage in stages
        )
    if changes.seed is not None:
        seed = changes.seed
        stages = tuple(
            replace(stage, training=replace(stage.training, seed=seed)) for stage in stages
        )
    return with_values(replace(recipe, stages=stages), dict(changes.values))


def with_values(settings: Settings, values: Mapping[str, str]) -> Settings:
    """A dataclass with settings replaced, however deep; the end of a name is enough where only one
    has it.

    >>> from finereel.training.settings import TrainingSettings
    >>> with_values(TrainingSettings(), {"optim.lr": "0.5", "patience": "3"}).optim.lr
    0.5
    """
    known = dict(_leaves(settings))
    for name, value in values.items():
        full = _full_name(name, known)
        settings = _replaced(settings, full.split("."), _parsed(full, known[full], value))
    return settings


def _leaves(settings: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and type of every setting that can be given as text."""
    hints = get_type_hints(type(settings))
    for part in dataclasses.fields(settings):
        value = getattr(settings, part.name)
        if dataclasses.is_dataclass(value):
            yield from _leaves(value, f"{prefix}{part.name}.")
        elif prefix + part.name not in _FIXED:
            yield prefix + part.name, hints[part.name]


def _full_name(name: str, known: Mapping[str, Any]) -> str:
    found = [full for full in known if full == name] or [
        full for full in known if full.endswith(f".{name}")
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise ConfigError(f"{name!r} could be {' or '.join(found)}: write it in full")
    raise ConfigError(f"there is no setting {name!r}: expected one of {', '.join(sorted(known))}")


def _replaced(settings: Any, path: list[str], value: Any) -> Any:
    first, *rest = path
    return replace(
        settings, **{first: _replaced(getattr(settings, first), rest, value) if rest else value}
    )


def _parsed(name: str, hint: Any, text: str) -> Any:
    """A value of type `hint` from text: JSON, or the bare word where a string is due."""
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if get_origin(hint) in (Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if get_origin(hint) is Literal and value in get_args(hint):
        return value
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if hint is str:
        return text
    if get_origin(hint) is tuple and isinstance(value, list):
        return tuple(value)
    plain = get_origin(hint) or hint
    if plain in (int, bool, dict) and type(value) is plain:
        return value
    expected = (
        " or ".join(map(str, get_args(hint)))
        if get_origin(hint) is Literal
        else getattr(plain, "__name__", hint)
    )
    raise ConfigError(f"{name} must be {expected}, got {text!r}")
