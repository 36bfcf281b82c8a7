"""The schedule of the learning rates."""

from __future__ import annotations

import math

from toolkit.recipe import Recipe
from toolkit.training.system import System

_RISE = 100
"""Warm-up steps of the cosine schedule, at the start and when further losses join in."""


def set_rates(system: System, recipe: Recipe, step: int) -> None:
    """Sets the scheduled learning rates of a step, counted from 0."""
    share = 1.0
    if recipe.train.schedule == "cosine":
        joined = recipe.objective.first_loss_steps
        rise = min(1.0, (1 + step - (joined if step >= joined else 0)) / _RISE)
        share = rise * (0.01 + 0.99 * (1 + math.cos(math.pi * step / recipe.train.steps)) / 2)
    for learner in system.learners.values():
        learner.optimizer.param_groups[0]["lr"] = learner.rate * share
