"""Complete named configurations, the only place that holds numbers. `debug` takes seconds."""

from collections.abc import Callable

from finereel.errors import unknown_name
from finereel.recipes.base import PairRecipe, Recipe, Stage, WorldRecipe
from finereel.recipes.pairs import PAIR_RECIPES
from finereel.recipes.worlds import debug, reelworld_tiny

__all__ = ["RECIPES", "PairRecipe", "Recipe", "Stage", "WorldRecipe", "recipe"]

RECIPES: dict[str, Callable[[], Recipe]] = {"debug": debug, "reelworld-tiny": reelworld_tiny, **PAIR_RECIPES}


def recipe(name: str) -> Recipe:
    """The recipe called `name`."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
