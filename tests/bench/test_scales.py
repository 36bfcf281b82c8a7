"""What a table's rows become at each scale."""

import pytest

from toolkit.bench.scales import protocol_of, read_scales, recipe_at, rows_at
from toolkit.bench.tables import read_table
from toolkit.recipe import resolve
from toolkit.registry import installed

NUMBERS = ("1", "2", "4", "5", "6")


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def test_the_same_row_is_on_another_backbone_at_each_scale():
    table = read_table("6")
    row = row_of(table, "nad-sd21")
    paper, pocket = (recipe_at(table, row, scale) for scale in ("paper", "pocket"))
    assert (paper["disc"], paper["backbone"]) == ("nad:sd21", "sd21")
    assert (pocket["disc"], pocket["backbone"]) == ("nad:pocket", "pocket")
    assert paper["loss"] == pocket["loss"] == "ea-dists"
    assert paper["train"]["steps"] == 100_000
    assert pocket["train"]["steps"] < 5000


def test_a_stronger_judge_is_a_wider_one_at_the_small_scale():
    table = read_table("6")
    assert recipe_at(table, row_of(table, "nad-sdxl"), "pocket")["disc"] == "nad:pocket-wide"


def test_a_table_may_change_a_single_option_of_what_its_rows_share():
    shipped = read_table("5")
    own = {"recipe": {"train": {"steps": 7}}, "quick": {"images": 2}}
    longer = shipped.model_copy(update={"scales": {"pocket": own}})
    here, there = (recipe_at(each, each.rows[0], "pocket") for each in (longer, shipped))
    assert here["train"] == there["train"] | {"steps": 7}
    quick, usual = (protocol_of(each, "pocket").quick for each in (longer, shipped))
    assert quick == usual.model_copy(update={"images": 2})


def test_a_row_may_say_what_it_is_at_the_small_scale():
    table = read_table("2")
    assert recipe_at(table, row_of(table, "dfosd"), "pocket") == {"restorer": "pocket"}
    assert recipe_at(table, row_of(table, "dfosd"), "paper")["disc"] == "nad:sd21"
    trained = recipe_at(read_table("4"), read_table("4").rows[0], "pocket")
    assert (trained["data"], trained["disc"]) == ("photos", "nad:pocket")


def test_a_first_look_changes_steps_and_nothing_that_is_compared():
    table = read_table("5")
    for row in table.rows:
        full, quick = (recipe_at(table, row, "pocket", quick=each) for each in (False, True))
        assert quick["train"]["steps"] < full["train"]["steps"]
        assert quick["objective"]["pixels_until"] < quick["train"]["steps"]
        assert {k: v for k, v in quick.items() if k not in ("train", "objective")} == {
            k: v for k, v in full.items() if k not in ("train", "objective")
        }


def test_at_the_small_scale_a_label_stands_once():
    table = read_table("1")
    rows = table.rows
    assert len(rows_at(table, rows, "paper")) == 21
    assert [row.label for row in rows_at(table, rows, "pocket")] == list(
        dict.fromkeys(row.label for row in rows)
    )


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("scale", ["paper", "pocket"])
def test_every_trained_row_is_a_recipe_but_for_what_is_not_built(number, scale):
    table = read_table(number)
    unbuilt = {"nad:pocket-wide", "lsdir+ffhq10k", "authors-200k-hq"}
    for row in table.rows:
        recipe = recipe_at(table, row, scale)
        if "restorer" not in recipe and not unbuilt & set(map(str, recipe.values())):
            assert resolve(recipe, installed()).loss.name == recipe["loss"]


def test_the_papers_scale_has_the_papers_settings():
    train = read_scales().paper.recipe["train"]
    assert train == {"steps": 100_000, "batch": 16, "crop": 512, "lr": 5e-5, "disc_lr": 5e-5}
