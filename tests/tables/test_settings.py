"""What a table's rows become in each setting."""

from pathlib import Path

import pytest

from toolkit.discovery import installed
from toolkit.recipe import compose, loss_tables, resolve
from toolkit.tables.planning import Request
from toolkit.tables.reading import read_table
from toolkit.tables.settings import (
    degradation_of,
    read_settings,
    recipe_in,
    rows_in,
    setting_of,
    start_in,
)

NUMBERS = ("1", "2", "4", "5", "6")


def row_of(table, label):
    return next(row for row in table.rows if row.label == label)


def test_the_same_row_is_on_another_backbone_in_each_setting():
    table = read_table("6")
    row = row_of(table, "nad-sd21")
    paper, pocket = (recipe_in(table, row, setting) for setting in ("paper", "pocket"))
    assert (paper["disc"], paper["backbone"]) == ("nad:sd21", "sd21")
    assert (pocket["disc"], pocket["backbone"]) == ("nad:pocket", "pocket")
    assert paper["loss"] == "ea-dists"
    assert {name: each.get("weight") for name, each in pocket["loss"].items()} == {
        "mse": 10.0, "ea-dists": None,
    }  # fmt: skip
    assert paper["train"]["steps"] == 100_000
    assert pocket["train"]["steps"] < 5000


def test_a_stronger_discriminator_is_a_wider_one_in_the_small_setting():
    table = read_table("6")
    assert recipe_in(table, row_of(table, "nad-sdxl"), "pocket")["disc"] == "nad:pocket-wide"


def test_a_table_may_change_a_single_option_of_what_its_rows_share():
    shipped = read_table("5")
    own = {"recipe": {"train": {"steps": 7}}, "quick": {"images": 2}}
    longer = shipped.model_copy(update={"settings": {"pocket": own}})
    here, there = (recipe_in(each, each.rows[0], "pocket") for each in (longer, shipped))
    assert here["train"] == there["train"] | {"steps": 7}
    quick, usual = (setting_of(each, "pocket").quick for each in (longer, shipped))
    assert quick == usual.model_copy(update={"images": 2})


def test_a_row_may_say_what_it_is_in_the_small_setting():
    table = read_table("2")
    assert recipe_in(table, row_of(table, "dfosd"), "pocket") == {"restorer": "pocket"}
    assert recipe_in(table, row_of(table, "dfosd"), "paper")["disc"] == "nad:sd21"
    trained = recipe_in(read_table("4"), read_table("4").rows[0], "pocket")
    assert (trained["data"], trained["disc"]) == ("photos", "nad:pocket")


def test_a_first_look_changes_steps_and_nothing_that_is_compared():
    table = read_table("5")
    for row in table.rows:
        full, quick = (recipe_in(table, row, "pocket", quick=each) for each in (False, True))
        assert quick["train"]["steps"] < full["train"]["steps"]
        starts = [start_in(table, full, "pocket", quick=each) for each in (False, True)]
        assert starts[1]["train"].pop("steps") < starts[0]["train"].pop("steps")
        assert starts[0] == starts[1]
        assert {k: v for k, v in quick.items() if k not in ("train", "objective")} == {
            k: v for k, v in full.items() if k not in ("train", "objective")
        }


def test_a_first_look_never_asks_for_more_than_the_table_itself():
    own = {
        "seeds": 1,
        "quick": {"seeds": 2, "train": {"batch": 1}},
        "recipe": {"train": {"steps": 7, "batch": 4}, "objective": {"first_loss_steps": 0}},
    }
    table = read_table("5").model_copy(update={"settings": {"pocket": own}})
    quick = recipe_in(table, table.rows[0], "pocket", quick=True)
    assert (quick["train"]["steps"], quick["train"]["batch"]) == (7, 1)
    assert quick["objective"]["first_loss_steps"] == 0
    assert Request(table, "pocket", Path(), quick=True).seed_count == 1
    assert Request(table, "pocket", Path(), quick=True, seeds=3).seed_count == 3


def test_rows_share_a_warm_start_that_has_their_parts_and_none_of_their_terms():
    for number in ("5", "6", "ablation"):
        table = read_table(number)
        rows = [recipe_in(table, row, "pocket") for row in table.rows]
        first, *others = [start_in(table, recipe, "pocket") for recipe in rows]
        assert all(other == first for other in others)
        assert (first["disc"], first["loss"]) == ("none", "none")
        assert first["gen"] == rows[0]["gen"]
        assert first["train"]["crop"] >= 128
        assert resolve(compose(first, {}, []), installed()).objective.latent == 1.0


def test_a_row_on_another_backbone_has_a_warm_start_of_its_own():
    table = read_table("6")
    recipe = recipe_in(table, table.rows[0], "pocket") | {"backbone": "pocket-wide"}
    assert start_in(table, recipe, "pocket")["backbone"] == "pocket-wide"


def test_the_papers_rows_start_from_their_backbone():
    table = read_table("6")
    assert start_in(table, recipe_in(table, table.rows[0], "paper"), "paper") == ""


IN_SETTING = {"recipe": {"degradation": "jpeg"}}


@pytest.mark.parametrize(
    ("common", "setting", "made"),
    [
        ({}, {}, "realesrgan"),
        ({}, IN_SETTING, "jpeg"),
        ({"degradation": "bsrgan"}, {}, "bsrgan"),
        ({"degradation": "bsrgan"}, IN_SETTING, "bsrgan"),
        ({"degradation": {"use": "realesrgan", "noise": 0}}, {}, "realesrgan (noise=0)"),
        ({"degradation": "bsrgan"}, {"degradation": "bicubic"}, "bicubic"),
        ({"degradation": "bsrgan"}, {"degradation": ""}, "None"),
    ],
)
def test_what_is_measured_on_is_degraded_like_what_all_rows_are_trained_on(common, setting, made):
    table = read_table("5").model_copy(update={"common": common, "settings": {"pocket": setting}})
    assert str(degradation_of(table, "pocket")) == made


def test_a_rows_own_degradation_is_for_its_training_alone():
    table = read_table("5")
    own = [table.rows[0].model_copy(update={"recipe": {"loss": "mse", "degradation": "jpeg"}})]
    own = table.model_copy(update={"rows": own})
    assert recipe_in(own, own.rows[0], "pocket")["degradation"] == "jpeg"
    assert str(degradation_of(own, "pocket")) == "realesrgan"


def test_in_the_papers_setting_the_datasets_have_lr_of_their_own():
    table = read_table("5").model_copy(update={"common": {"degradation": "bsrgan"}})
    assert degradation_of(table, "paper") is None


@pytest.mark.parametrize(
    ("number", "columns", "deciding"),
    [
        ("1", "niqe musiq maniqa clipiqa lpips dists psnr ssim", 6),
        ("2", "psnr ssim lpips dists niqe", 5),
        ("6", "niqe musiq maniqa clipiqa lpips dists psnr ssim", 6),
        ("ablation", "niqe lpips dists psnr ssim", 3),
    ],
)
def test_the_papers_tables_have_columns_that_can_be_measured_everywhere(number, columns, deciding):
    request = Request(read_table(number), "pocket", Path())
    assert list(request.metrics()) == columns.split()
    assert len(request.deciding) == deciding
    paper = Request(read_table(number), "paper", Path())
    assert paper.deciding == list(read_table(number).directions)
    beside = ["niqe", "musiq", "maniqa", "clipiqa"] if number == "2" else []  # of its supplement
    assert list(paper.metrics()) == [*paper.deciding, *beside]


def test_a_table_of_ones_own_has_its_own_columns_and_each_metric_once():
    directions = {"psnr-y": "higher", "dists": "lower"}
    table = read_table("5").model_copy(update={"directions": directions, "settings": {}})
    assert Request(table, "pocket", Path()).metrics() == {"psnr-y": "psnr-y", "dists": "dists"}
    beside = {"pocket": {"beside": ["psnr", "niqe"]}}
    more = table.model_copy(update={"settings": beside})
    assert list(Request(more, "pocket", Path()).metrics()) == ["psnr-y", "dists", "niqe"]


def test_in_the_small_setting_a_label_stands_once():
    table = read_table("1")
    rows = table.rows
    assert len(rows_in(table, rows, "paper")) == 21
    assert [row.label for row in rows_in(table, rows, "pocket")] == list(
        dict.fromkeys(row.label for row in rows)
    )


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("setting", ["paper", "pocket"])
def test_every_trained_row_is_a_recipe_but_for_what_is_not_built(number, setting):
    table = read_table(number)
    unbuilt = {"nad:pocket-wide", "lsdir+ffhq10k", "authors-200k-hq"}
    for row in table.rows:
        recipe = recipe_in(table, row, setting)
        if "restorer" not in recipe and not unbuilt & set(map(str, recipe.values())):
            losses = resolve(recipe, installed()).loss
            assert (
                losses.keys()
                == loss_tables(row.recipe.get("loss", table.common.get("loss"))).keys()
            )


def test_the_papers_setting_has_the_papers_options():
    train = read_settings().paper.recipe["train"]
    assert train == {"steps": 100_000, "batch": 16, "crop": 512, "lr": 5e-5, "disc_lr": 5e-5}
