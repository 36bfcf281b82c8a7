"""The losses of a recipe: however they are written, a table of weighted terms."""

import pytest

from toolkit.discovery import installed
from toolkit.recipe import compose, layered, loss_tables, read_recipe, resolve

EQ_8 = {"mse": 1.0, "ea-dists": 1.0}


def weights(recipe):
    return {name: term.weight for name, term in recipe.loss.items()}


def resolved(base, flags, *overrides):
    return resolve(compose(base, flags, overrides), installed())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("ea-dists", EQ_8),
        (["ea-dists"], EQ_8),
        ("ea-dists=2", {"mse": 1.0, "ea-dists": 2.0}),
        ({"use": "ea-dists", "edges": "colour"}, EQ_8),
        ("mse", {"mse": 1.0}),
        ("mse=3", {"mse": 3.0}),
        (["mse", "ea-dists=0.5", "lattice:8=20"], {"mse": 1.0, "ea-dists": 0.5, "lattice:8": 20.0}),
        (["l1", "dists"], {"l1": 1.0, "dists": 1.0}),
        ({"lattice": 20}, {"lattice": 20.0}),
        ({"lattice": {"weight": 2, "period": 8}, "l1": {}}, {"lattice": 2.0, "l1": 1.0}),
        ("none", {}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("way", ["file", "flag"])
def test_every_way_of_writing_losses(written, meant, way):
    found = resolved({"loss": written}, {}) if way == "file" else resolved({}, {"loss": written})
    assert weights(found) == meant
    assert list(found.loss) == list(meant)  # in this order: the first one may train alone


def test_a_recipe_without_losses_has_those_of_eq_8():
    assert weights(resolved({}, {})) == EQ_8


def test_the_same_loss_may_stand_twice_under_other_names():
    tables = {"sharp": {"use": "lpips:alex", "weight": 2}, "lpips": {"network": "vgg"}}
    found = resolved({"loss": tables}, {}).loss
    assert {name: term.selection.options["network"] for name, term in found.items()} == {
        "sharp": "alex",
        "lpips": "vgg",
    }
    both = resolved({}, {"loss": ["lpips:alex", "lpips:vgg=2"]})
    assert weights(both) == {"lpips:alex": 1.0, "lpips:vgg": 2.0}
    assert both.losses == "lpips"


def test_options_and_weights_are_set_by_a_losss_name():
    found = resolved({}, {}, "loss.ea-dists.edges=colour", "loss.mse=10", "loss.lattice:8.weight=3")
    assert weights(found) == {"mse": 10.0, "ea-dists": 1.0, "lattice:8": 3.0}
    assert found.loss["ea-dists"].selection.options["edges"] == "colour"
    assert found.loss["lattice:8"].selection.options["period"] == 8


def test_a_flag_names_the_losses_and_keeps_what_the_file_says_of_them():
    base = {"loss": {"mse": 10, "ea-dists": {"weight": 2, "edges": "colour"}, "lattice": 20}}
    found = resolved(base, {"loss": ["ea-dists"]})
    assert weights(found) == {"mse": 10.0, "ea-dists": 2.0}
    assert found.loss["ea-dists"].selection.options["edges"] == "colour"
    assert weights(resolved(base, {"loss": ["ea-dists=3"]}))["ea-dists"] == 3


def test_layers_name_their_losses():
    assert layered({"loss": {"mse": 10.0}}, {"loss": "ea-dists"})["loss"] == {
        "mse": {"use": "mse", "weight": 10.0},
        "ea-dists": {"use": "ea-dists"},
    }


def test_losses_survive_toml(tmp_path):
    made = resolved({}, {"loss": ["mse=2", "lpips:alex=0", "lattice:8=200"]})
    made.save(tmp_path / "recipe.toml")
    text = (tmp_path / "recipe.toml").read_text()
    assert "[loss.mse]\nweight = 2.0\n" in text
    assert 'use = "mse"' not in text
    again = resolve(read_recipe(tmp_path / "recipe.toml"), installed())
    assert again == made
    assert list(again.loss) == ["mse", "lpips:alex", "lattice:8"]


def test_a_loss_may_compare_a_part_of_each_crop(tmp_path):
    made = resolved({"loss": {"mse": 1, "ea-dists": {"crop": 128}}}, {})
    assert {name: term.crop for name, term in made.loss.items()} == {"mse": 0, "ea-dists": 128}
    made.save(tmp_path / "recipe.toml")
    assert resolve(read_recipe(tmp_path / "recipe.toml"), installed()) == made


def test_tables_are_their_own_tables():
    tables = loss_tables(["mse", "lattice=20"])
    assert loss_tables(tables) == tables
