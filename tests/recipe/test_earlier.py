"""Recipes of earlier versions are read as today's, with a notice."""

import warnings

import pytest

from toolkit.discovery import installed
from toolkit.errors import EarlierFormWarning
from toolkit.recipe import Recipe, compose, resolve

POCKET = {"use": "pocket", "weights": "", "precision": "float32", "checkpointing": False}
RESOLVED = {
    "backbone": POCKET,
    "gen": {"use": "one-step", "backbone": POCKET, "lora_rank": 2},
    "disc": {"use": "nad", "backbone": POCKET},
    "loss": {"use": "ea-dists", "edges": "colour"},
    "objective": {"pixel": 10.0, "perceptual": 0.5, "adversarial": 0.02, "pixels_until": 30,
                  "further": {"lattice": 20.0, "l1": 0.0}},
}  # fmt: skip


def read(tables):
    with pytest.warns(EarlierFormWarning, match=r"loss\.NAME\.weight"):
        return Recipe.model_validate(tables)


def weights(recipe):
    return {name: term.weight for name, term in recipe.loss.items()}


def test_weights_of_losses_move_to_the_losses():
    found = read(RESOLVED)
    assert weights(found) == {"mse": 10.0, "ea-dists": 0.5, "lattice": 20.0, "l1": 0.0}
    assert found.loss["ea-dists"].selection.options == {"edges": "colour"}
    assert found.objective.first_loss_steps == 30
    assert found.objective.adversarial == 0.02


def test_a_copied_backbone_is_dropped_and_one_of_its_own_kept():
    found = read(RESOLVED)
    assert found.own_backbones() == {}
    own = {**RESOLVED, "disc": {"use": "nad", "backbone": {**POCKET, "weights": "tiny"}}}
    assert read(own).own_backbones()["disc"].options["weights"] == "tiny"


@pytest.mark.parametrize(
    ("loss", "objective", "meant"),
    [
        ("mse", {"pixel": 2.0, "perceptual": 3.0}, {"mse": 2.0}),
        ("mse", {"pixel": 0.0}, {}),
        ("lpips:alex", {"pixel": 0.0, "perceptual": 1.0}, {"lpips:alex": 1.0}),
        ("dists", {"perceptual": 0.0}, {"mse": 1.0}),
        (None, {"pixel": 2.0}, {"mse": 2.0, "ea-dists": 1.0}),
    ],
)
def test_a_weight_of_0_left_a_loss_out(loss, objective, meant):
    tables = {"objective": objective} | ({"loss": loss} if loss else {})
    assert weights(read(tables)) == meant


def test_options_can_be_laid_over_an_earlier_recipe():
    with pytest.warns(EarlierFormWarning):
        tables = compose(RESOLVED, {"disc": "none"}, ["loss.lattice.weight=5"])
    assert weights(resolve(tables, installed()))["lattice"] == 5


def test_todays_recipes_are_read_without_a_word():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = resolve({}, installed())
        assert Recipe.model_validate(made.model_dump(mode="json")) == made
