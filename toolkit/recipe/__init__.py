"""Recipes: complete descriptions of runs. The same recipe gives the same run.

Precedence: `--set SLOT.OPTION=VALUE`, flags, `--config FILE.toml`, defaults. A resolved recipe
contains every option of every component, and so does not depend on later defaults.
"""

from toolkit.recipe.composing import compose, data_selection, layered, read_recipe
from toolkit.recipe.losses import LossTerm, loss_tables
from toolkit.recipe.recipe import SLOTS, Recipe
from toolkit.recipe.resolving import difference, resolve
from toolkit.recipe.settings import Objective, Training, share_of_batch

__all__ = [
    "SLOTS",
    "LossTerm",
    "Objective",
    "Recipe",
    "Training",
    "compose",
    "data_selection",
    "difference",
    "layered",
    "loss_tables",
    "read_recipe",
    "resolve",
    "share_of_batch",
]
