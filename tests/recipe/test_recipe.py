"""Recipes: layers, defaults filled in, and the way through TOML and back."""

import doctest
from pathlib import Path

import pytest
from pydantic import ValidationError

from toolkit.component import KINDS
from toolkit.discovery import installed
from toolkit.errors import DataError, OptionsError, UnknownComponentError, UsageError
from toolkit.recipe import (
    SLOTS,
    Recipe,
    Training,
    compose,
    composing,
    data_selection,
    difference,
    losses,
    read_recipe,
    recipe,
    resolve,
)
from toolkit.runs import Run


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
    assert (made.disc.use, made.losses, made.gen.use) == ("none", "mse", "one-step")


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
    assert compose({"disc": "nad:pocket"}, {}, ["disc.lora_rank=2"])["disc"]["use"] == "nad:pocket"


def test_the_recipe_holds_its_backbone_once(registry):
    made = resolved(registry, "backbone.weights=/elsewhere")
    assert made.backbone.options["weights"] == "/elsewhere"
    assert "backbone" not in made.gen.options
    assert made.own_backbones() == {}
    own = resolved(registry, "backbone.weights=/elsewhere", disc="nad:pocket")
    assert own.own_backbones()["disc"].options["weights"] == ""


@pytest.mark.parametrize("parts", [{"disc": "nad:pocket"}, {"gen": "one-step:pocket"}])
def test_a_part_that_names_the_recipes_own_backbone_shares_it(registry, tmp_path, parts):
    made = resolved(registry, backbone="pocket", **parts)
    assert made.own_backbones() == {}
    assert difference(made, resolved(registry, backbone="pocket")) == []
    # Read back, it must be the same: a run that was stopped goes on by its file.
    run = Run(tmp_path)
    made.save(run.recipe_path)
    assert difference(made, run.recipe()) == []


@pytest.mark.parametrize(("override", "slot"), [("backbone", None), ("gen.backbone", "gen")])
def test_another_backbone_reaches_the_parts_of_a_resolved_recipe(registry, override, slot):
    first = resolved(registry).model_dump(mode="json", exclude_none=True)
    again = resolved(registry, f"{override}.weights=/x", base=first)
    found = again.own_backbones()[slot] if slot else again.backbone
    assert found.options["weights"] == "/x"
    assert again.gen.options["timestep"] == 399


def test_a_change_of_backbones_reaches_each_of_them(registry):
    made = resolved(registry, disc="nad:sd21:tiny")
    half = made.with_backbones(lambda each: each.over({"precision": "bfloat16"}))
    assert half.backbone.options["precision"] == "bfloat16"
    assert half.own_backbones()["disc"].options["precision"] == "bfloat16"
    assert half.own_backbones()["disc"].options["weights"] == "tiny"


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
    assert made.backbone.use == "sd21"
    assert made.own_backbones() == {}
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
        ({"objective": {"latent": float("nan")}}, OptionsError, "'objective.latent' is nan"),
        ({"loss": {"mse": float("nan")}}, OptionsError, "'loss.mse.weight' is nan"),
        ({"data": "folder"}, OptionsError, "folder"),
        ({"loss": {"latice": 1}}, UnknownComponentError, "mean 'lattice'"),
        ({"loss": {"lattice": -1}}, OptionsError, "'loss.lattice.weight' is -1"),
        ({"loss": ["mse", "lattice=much"]}, UsageError, "the weight 'much' is not a number"),
        ({"loss": {"edges": "colour"}}, UsageError, "neither a weight nor a table"),
        ({"loss": 3}, UsageError, "3 is not a loss"),
    ],
)
def test_wrong_recipes_are_told_apart(registry, tables, error, message):
    with pytest.raises(error) as told:
        resolve(tables, registry)
    assert message in str(told.value)
    assert told.value.hint


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("dics.lora_rank=8", "--set dics.lora_rank=8: there is no section 'dics'"),
        ("train.steps.more=8", "'steps' is not a table"),
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
    with pytest.raises(UsageError, match=r"mine\.toml is not valid TOML"):
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
        ({"train": {"workers": 3, "accumulate": 2, "max_bad_files": 0.5}}, []),
        ({"train": {"batch": 9, "steps": 9}}, ["train.batch"]),
        ({"disc": "none"}, ["disc"]),
        ({"disc": {"use": "nad", "lora_rank": 2}}, ["disc.lora_rank"]),
        ({"objective": {"adversarial": 0.5}}, ["objective.adversarial"]),
        ({"backbone": {"use": "pocket", "weights": "/x"}}, ["backbone.weights"]),
        ({"loss": ["mse", "ea-dists=2"]}, ["loss.ea-dists"]),
        ({"loss": "mse"}, ["loss.ea-dists"]),
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
        ("my:odd", "folder:my:odd"),
        ("C:/photos", "folder:C:/photos"),
        ("./photos", "folder:./photos"),
        ("my.set+more-2:/no/such", "my.set+more-2:/no/such"),
        ("./my.set:x", "folder:./my.set:x"),
        ("/no/such", "folder:/no/such"),
        ("C:\\photos", "folder:C:\\photos"),
        ("~", "folder:~"),
        ("here", "folder:here"),
        (".", "folder:."),
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


@pytest.mark.parametrize("module", [composing, losses, recipe])
def test_examples(module):
    assert doctest.testmod(module).attempted
    assert doctest.testmod(module).failed == 0
