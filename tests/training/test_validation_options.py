"""Options of validation, and mistakes in them, which are told before training."""

import pytest

import toolkit
from toolkit.discovery import installed
from toolkit.errors import DataError, OptionsError, UnknownComponentError, UsageError
from toolkit.recipe import compose, resolve
from toolkit.runs import Run
from toolkit.training import loop


@pytest.fixture
def recipe(photo_folder):
    def make(metrics="psnr", **train):
        plan = {"steps": 1, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 0,
                "validate_every": 1, "validate_on": f"folder:{photo_folder}", "validate_crop": 48,
                "validate_metrics": metrics}  # fmt: skip
        tables = {"gen": {"use": "one-step", "lora_rank": 2}, "disc": "none", "loss": "mse",
                  "data": f"folder:{photo_folder}", "train": plan | train}  # fmt: skip
        return resolve(tables, installed())

    return make


@pytest.fixture
def trained(tmp_path, recipe):
    return lambda **options: loop.train(Run(tmp_path / "run"), recipe(**options), installed())


@pytest.mark.parametrize(
    ("options", "error", "told"),
    [
        ({"metrics": "psnr-x"}, UnknownComponentError, "no metric named 'psnr-x'.*psnr"),
        ({"metrics": ("psnr", "lpips:vga")}, OptionsError, "vga"),
        ({"validate_on": "photoss"}, UnknownComponentError, "no dataset named 'photoss'"),
    ],
)
def test_what_is_unknown_is_told_before_training(recipe, options, error, told):
    with pytest.raises(error, match=told):
        recipe(**options)


@pytest.mark.parametrize(
    ("options", "error", "told", "hint"),
    [
        ({"metrics": ""}, UsageError, "needs a metric", "--set train.validate_metrics=dists"),
        ({"validate_crop": 128}, DataError, "^Validation: .*", "--set train.validate_crop=64"),
        ({"validate_crop": 50}, DataError, "^Validation: A crop of 50 px is no multiple",
         "--set train.validate_crop=48"),
        ({"metrics": ("psnr", "lattice")}, DataError, "^Validation: .* too small for .*lattice:4",
         "It needs 32 periods on each side: 128x128 px"),
    ],
)  # fmt: skip
def test_what_cannot_be_validated_is_told_before_training(
    trained, tmp_path, options, error, told, hint
):
    with pytest.raises(error, match=told) as raised:
        trained(**options)
    assert hint in raised.value.hint
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "followed", [{"metrics": "dists"}, {"validate_crop": 64}, {"validate_crop": 48}]
)
def test_those_hints_work(trained, followed):
    trained(**{"metrics": "psnr", **followed})


def test_a_folder_is_found_from_anywhere(recipe, photo_folder, tmp_path, monkeypatch):
    monkeypatch.chdir(photo_folder.parent)
    relative = recipe(validate_on=f"folder:{photo_folder.name}").train.validate_on
    plain = recipe(validate_on=f"./{photo_folder.name}").train.validate_on
    assert relative == plain == f"folder:{photo_folder}"
    assert recipe(validate_on="heldout").train.validate_on == "photos:heldout"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "heldout").mkdir()
    assert recipe(validate_on="photos:heldout").train.validate_on == "photos:heldout"


def test_several_metrics_are_set_at_once():
    for text in ("dists,psnr-y", '["dists", "psnr-y"]'):
        tables = compose({}, {}, [f"train.validate_metrics={text}", "train.validate_every=5"])
        assert resolve(tables, installed()).train.validate_metrics == ("dists", "psnr-y")


def test_the_default_metrics_are_there():
    plan = resolve({"train": {"validate_every": 1}}, installed())
    assert plan.train.validate_metrics == ("dists", "psnr-y")
    assert plan.train.validate_on == "photos:heldout"
    assert len(toolkit.make("dataset", "photos:heldout"))
