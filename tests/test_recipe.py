"""Recipes: layers, defaults filled in, and the way through TOML and back."""

import doctest
from pathlib import Path

import pytest
from pydantic import ValidationError

from toolkit import recipe as module
from toolkit.component import KINDS
from toolkit.errors import DataError, OptionsError, UnknownComponentError, UsageError
from toolkit.recipe import (
    SLOTS,
    Recipe,
    Training,
    compose,
    data_selection,
    difference,
    read_recipe,
    resolve,
)
from toolkit.registry import installed


@pytest.fixture(scope="module")
def registry():
    return installed()


def resolved(registry, *overrides, base=None, **flags):
    return resolve(compose(base or {}, flags, overrides), registry)


def test_layers_lie_in_order(registry):
    config = {"train": {"steps": 20, "batch": 20, "seed": 20}, "disc": "none", "loss": "dists"}
    flags = {"train.batch": 30, "train.seed": 30, "loss": "mse"}
    made = resolve(compose(config, flags, ["train.seed=40"]), registry)
    assert made.train.crop == Training().crop
    assert (made.train.steps, made.train.batch, made.train.seed) == (20, 30, 40)
    assert (made.disc.use, made.loss.use, made.gen.use) == ("none", "mse", "one-step")


def test_a_flag_that_names_a_component_drops_the_options_of_the_one_before():
    tables = compose({"disc": {"use": "nad", "lora_rank": 2}}, {"disc": "none"}, [])
    assert tables == {"disc": {"use": "none"}}


def test_composing_leaves_its_input_alone():
    base = {"disc": {"use": "nad", "backbone": {"use": "pocket"}}, "train": {"steps": 1}}
    compose(base, {"train.steps": 2}, ["disc.lora_rank=2", "disc.backbone.weights=x"])
    assert base == {
        "disc": {"use": "nad", "backbone": {"use": "pocket"}},
        "train": {"steps": 1},
    }


def test_an_override_keeps_the_component_of_its_slot(registry):
    assert compose({}, {}, ["disc.lora_rank=2"]) == {"disc": {"use": "nad", "lora_rank": 2}}
    assert resolved(registry, "loss.use=mse").loss.use == "mse"
    assert compose({"disc": "nad:pocket"}, {}, ["disc.lora_rank=2"])["disc"]["use"] == "nad:pocket"


def test_the_backbone_of_the_recipe_reaches_every_part_that_takes_one(registry):
    made = resolved(registry, "backbone.weights=/elsewhere")
    assert made.gen.options["backbone"]["weights"] == "/elsewhere"
    assert made.disc.options["backbone"] == made.gen.options["backbone"]
    own = resolved(registry, "backbone.weights=/elsewhere", disc="nad:pocket")
    assert own.disc.options["backbone"]["weights"] == ""


@pytest.mark.parametrize("override", ["backbone.weights=/x", "gen.backbone.weights=/x"])
def test_another_backbone_reaches_the_parts_of_a_resolved_recipe(registry, override):
    first = resolved(registry).model_dump(mode="json", exclude_none=True)
    again = resolved(registry, override, base=first)
    assert again.gen.options["backbone"]["weights"] == "/x"
    assert again.gen.options["timestep"] == 399


CHOICES = [
    (slot, component.name)
    for slot, kind in SLOTS.items()
    for component in installed().components(kind)
]


@pytest.mark.parametrize(("slot", "name"), CHOICES)
def test_resolved_recipes_survive_toml(registry, tmp_path, slot, name):
    component = registry.find(SLOTS[slot], name)
    options = {key: str(value) for key, value in component.tiny.items()}
    made = resolve({slot: {"use": name, **options}}, registry)
    made.save(tmp_path / "deep" / "recipe.toml")
    again = resolve(read_recipe(tmp_path / "deep" / "recipe.toml"), registry)
    assert again == made
    assert difference(again, made) == []
    fields = component.options.model_fields
    unset = {key for key, field in fields.items() if field.get_default() is None}
    assert fields.keys() - unset <= again.selection(slot).options.keys()


@pytest.mark.parametrize(
    ("use", "name", "parameters"),
    [
        ("stablesr", "realesrgan", "stablesr"),
        ("realesrgan:stablesr", "realesrgan", "stablesr"),
        ("realesrgan", "realesrgan", "x4plus"),
        ("realesrgan:bsrgan", "bsrgan", None),
        ("realesrgan:bicubic+noise", "bicubic+noise", None),
        ("jpeg", "jpeg", None),
    ],
)
def test_a_degradation_is_resolved_to_the_component_that_is_meant(registry, use, name, parameters):
    made = resolved(registry, "degradation.scale=2", degradation=use)
    assert made.degradation.use == name
    assert made.degradation.options["scale"] == 2
    assert made.degradation.options.get("parameters") == parameters
    assert resolve(made.model_dump(mode="json"), registry) == made


def test_the_values_of_a_set_are_in_the_recipe_and_can_be_changed(registry):
    made = resolved(registry, "degradation.jpeg_range=[50, 60]", degradation="stablesr")
    assert made.degradation.options["jpeg_range"] == [50, 60]
    assert made.degradation.options["jpeg_range2"] == [60, 100]
    assert difference(resolved(registry, degradation="stablesr"), made) == [
        "degradation.jpeg_range"
    ]


def test_where_degrading_is_done_is_a_choice_of_two(registry):
    assert Training().degrade_on == "cpu"
    on_cpu, on_device = (
        resolved(registry, **{"train.degrade_on": place}) for place in ("cpu", "device")
    )
    assert difference(on_cpu, on_device) == ["train.degrade_on"]
    with pytest.raises(OptionsError, match=r"'train\.degrade_on' is 'gpu'"):
        resolved(registry, **{"train.degrade_on": "gpu"})


def test_the_papers_recipe_is_the_papers(registry):
    made = resolve(read_recipe(Path("examples/paper.toml").resolve()), registry)
    assert made.gen.options["backbone"]["use"] == made.disc.options["backbone"]["use"] == "sd21"
    assert (made.gen.options["lora_rank"], made.disc.options["lora_rank"]) == (16, 16)
    assert (made.train.lr, made.train.disc_lr) == (5e-5, 5e-5)
    assert (made.train.steps, made.train.batch, made.train.crop) == (100_000, 16, 512)


def test_every_slot_is_a_field_and_every_kind_known():
    assert set(SLOTS) < set(Recipe.model_fields)
    assert set(SLOTS.values()) <= set(KINDS)


@pytest.mark.parametrize(
    ("tables", "error", "message"),
    [
        ({"dics": "nad"}, UsageError, "no section 'dics'. Did you mean 'disc'"),
        (
            {"disc": "nat"},
            UnknownComponentError,
            "no discriminator named 'nat'. Did you mean 'nad'",
        ),
        ({"disc": {"use": "nad", "lora_rnak": 2}}, OptionsError, "did you mean 'lora_rank'"),
        ({"disc": {"lora_rank": 2}}, OptionsError, "disc"),
        ({"disc": 3}, OptionsError, "disc"),
        ({"gen": "one-step:pocketz"}, UnknownComponentError, "no backbone named 'pocketz'"),
        ({"loss": "mse:x"}, OptionsError, "no variants"),
        ({"train": {"setps": 2}}, OptionsError, "'train.setps'"),
        ({"train": {"steps": 0}}, OptionsError, "'train.steps' is 0"),
        ({"train": {"steps": "many"}}, OptionsError, "'train.steps' is 'many'"),
        ({"train": 3}, OptionsError, "'train' is 3"),
        ({"train": {"lr": float("inf")}}, OptionsError, "'train.lr' is inf"),
        ({"objective": {"pixel": float("nan")}}, OptionsError, "'objective.pixel' is nan"),
        ({"data": "folder"}, OptionsError, "folder"),
        ({"objective": {"further": {"latice": 1}}}, UnknownComponentError, "mean 'lattice'"),
        ({"objective": {"further": {"lattice": -1}}}, OptionsError, "further.lattice' is -1"),
        ({"objective": {"further": {"mse": 1}}}, UsageError, "'mse' has a weight already"),
        ({"objective": {"further": {"ea-dists": 1}}}, UsageError, "has a weight already"),
    ],
)
def test_wrong_recipes_are_told_apart(registry, tables, error, message):
    with pytest.raises(error) as told:
        resolve(tables, registry)
    assert message in str(told.value)
    assert told.value.hint


def test_further_losses_survive_toml(registry, tmp_path):
    overrides = ("objective.further.lattice:8=200", "objective.further.l1=0.5")
    made = resolved(registry, *overrides)
    assert made.objective.further == {"lattice:8": 200, "l1": 0.5}
    made.save(tmp_path / "recipe.toml")
    assert resolve(read_recipe(tmp_path / "recipe.toml"), registry) == made


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dics.lora_rank=8", "--set dics.lora_rank=8: there is no section 'dics'"),
        ("train.steps.more=8", "'steps' is no table"),
        ("train.steps", "expected SLOT.OPTION=VALUE"),
    ],
)
def test_wrong_overrides_are_quoted(override, message):
    with pytest.raises(UsageError) as told:
        compose({"train": {"steps": 3}}, {}, [override])
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("flags", "overrides"), [({"train.steps": 8}, []), ({}, ["train.steps=8"])]
)
def test_nothing_is_laid_over_a_section_that_is_no_table(flags, overrides):
    with pytest.raises(UsageError, match="train"):
        compose({"train": 3}, flags, overrides)


@pytest.mark.parametrize("content", [b"train = [", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_named(tmp_path, content):
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(UsageError, match=r"mine\.toml is no valid TOML"):
        read_recipe(tmp_path / "mine.toml")


@pytest.mark.parametrize("name", ["missing.toml", ""])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(UsageError, match=f"Cannot read the recipe .*{name}"):
        read_recipe(tmp_path / name)


def test_recipes_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Recipe().train.steps = 3


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"train": {"steps": 9, "device": "cpu", "keep": 9}}, []),
        ({"train": {"batch": 9, "steps": 9}}, ["train.batch"]),
        ({"disc": "none"}, ["disc"]),
        ({"disc": {"use": "nad", "lora_rank": 2}}, ["disc.lora_rank"]),
        ({"objective": {"adversarial": 0.5}}, ["objective.adversarial"]),
        (
            {"backbone": {"use": "pocket", "weights": "/x"}},
            ["backbone.weights", "gen.backbone", "disc.backbone"],
        ),
    ],
)
def test_what_makes_another_run_is_named(registry, changes, found):
    assert difference(resolve({}, registry), resolve(changes, registry)) == found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("photos", "photos"),
        ("photos:heldout", "photos:heldout"),
        ("pairs:./realsr", "pairs:./realsr"),
        ("pairs:/data/realsr", "pairs:/data/realsr"),
        ("pairs:here", "pairs:here"),
        ("my:odd", {"use": "folder", "folder": "my:odd"}),
        ("C:/photos", {"use": "folder", "folder": "C:/photos"}),
        ("./photos", {"use": "folder", "folder": "./photos"}),
        ("my.set+more-2:/no/such", "my.set+more-2:/no/such"),
        ("./my.set:x", {"use": "folder", "folder": "./my.set:x"}),
        ("/no/such", {"use": "folder", "folder": "/no/such"}),
        ("C:\\photos", {"use": "folder", "folder": "C:\\photos"}),
        ("~", {"use": "folder", "folder": "~"}),
        ("here", {"use": "folder", "folder": "here"}),
        (".", {"use": "folder", "folder": "."}),
    ],
)
def test_data_is_a_folder_or_a_dataset(tmp_path, monkeypatch, text, meant):
    monkeypatch.chdir(tmp_path)
    Path("here").mkdir()
    Path("my:odd").mkdir()
    assert data_selection(text) == meant


def test_a_single_file_is_no_dataset(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("photo.png").touch()
    with pytest.raises(DataError, match=r"photo\.png is a file"):
        data_selection("photo.png")


def test_examples():
    assert doctest.testmod(module).failed == 0
