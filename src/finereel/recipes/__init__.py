"""Recipes: complete named configurations of a training, the only place with its numbers. `debug`
takes seconds.
"""

from collections.abc import Callable

from finereel.errors import unknown_name
from finereel.recipes.base import PairRecipe, Recipe, Stage, WorldRecipe
from finereel.recipes.dataset_recipes import PAIR_RECIPES
from finereel.recipes.reelworld_recipes import debug, debug_fine, reelworld_fine, reelworld_tiny

__all__ = ["RECIPES", "PairRecipe", "Recipe", "Stage", "WorldRecipe", "recipe"]

RECIPES: dict[str, Callable[[], Recipe]] = {
    "debug": debug,
    "debug-fine": debug_fine,
    "reelworld-tiny": reelworld_tiny,
    "reelworld-fine": reelworld_fine,
    **PAIR_RECIPES,
}


def recipe(name: str) -> Recipe:
    """The recipe called `name`."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()
