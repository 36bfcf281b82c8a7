"""Which settings would fit a memory."""

from dataclasses import replace

import pytest

from toolkit.component import Component, Options
from toolkit.costs import planning
from toolkit.costs.planning import fit_batch, parse_memory, plan_training
from toolkit.costs.training_step import StepCost
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.recipe import compose, resolve
from toolkit.registry import Registry
from toolkit.specs import Selection

MB = 10**6


def recipe(*overrides):
    return resolve(compose({}, {"loss": "mse"}, list(overrides)), installed())


@pytest.fixture
def asked(monkeypatch):
    """Costs by rule instead of by a step; collects what was asked for."""
    seen = []

    def step_cost(recipe, _registry):
        backbone = recipe.backbone.options
        # Parts that name no backbone of their own are built on the recipe's.
        assert all(own == recipe.backbone for own in recipe.own_backbones().values())
        precision, checkpointing = backbone["precision"], backbone["checkpointing"]
        seen.append((precision, checkpointing))
        half = 2 if precision == "bfloat16" else 1
        activations = (30 if checkpointing else 120) * MB // half
        macs = (40 if checkpointing else 30) * 10**9
        return StepCost(
            frozen={"generator's unet": 100 * MB // half},
            losses={},
            trained={"generator": 5 * MB, "discriminator": 5 * MB},
            activations={"generator": activations, "discriminator": activations // 10},
            macs={"generator": macs, "discriminator": 10**9},
        )

    monkeypatch.setattr(planning, "step_cost", step_cost)
    return seen


def plan(memory=None, *overrides):
    return plan_training(recipe(*overrides), installed(), memory)


def test_without_a_memory_the_recipe_alone_is_looked_at(asked):
    found = plan(None, "train.precision=float32", "train.batch=12", "train.accumulate=4")
    assert asked == [("float32", False)]
    assert (found.images, found.pieces, found.choices) == (3, 4, ())
    assert found.gmacs == {"generator": 12 * 30, "discriminator": 12}
    memory = found.document()["memory"]
    assert memory["activations"] == {"generator": 360 * MB, "discriminator": 36 * MB}
    assert memory["peak"] == (100 + 4 * 10 + 360) * MB
    assert found.document()["choices"] == []


def test_frozen_weights_count_as_they_are_held_not_as_they_are_computed_with(asked):
    found = plan(None, "train.precision=bfloat16")
    assert asked == [("bfloat16", False)]
    assert found.cost.frozen == {"generator's unet": 100 * MB}
    assert found.cost.activations["generator"] == 60 * MB
    held = plan(None, "train.precision=bfloat16", "backbone.precision=bfloat16")
    assert held.cost.frozen == {"generator's unet": 50 * MB}


def test_each_process_has_its_share_and_frozen_weights_may_be_sharded(asked, monkeypatch):
    whole = plan_training(recipe("train.batch=12", "train.accumulate=3"), installed(), None, 2)
    assert (whole.images, whole.pieces, whole.ranks) == (2, 3, 2)
    assert whole.gmacs["generator"] == 6 * 30
    assert whole.cost.gathered == 0
    sharded = plan_training(recipe("train.batch=12", "train.shard=true"), installed(), None, 4)
    assert (sharded.images, sharded.pieces) == (3, 1)
    assert sharded.cost.frozen == {"generator's unet": 25 * MB}
    assert sharded.document()["processes"] == 4
    for overrides, ranks in ((["train.batch=6"], 4), (["train.shard=true"], 1)):
        with pytest.raises(UsageError):
            plan_training(recipe(*overrides), installed(), None, ranks)


@pytest.mark.parametrize(
    ("memory", "pieces"), [(10_000, 1), (600, 4), (550, 6), (300, 12), (50, 12)]
)
def test_a_batch_is_split_into_as_few_pieces_as_a_memory_asks_for(asked, memory, pieces):
    # 140 MB are taken before any image, and 120 MB by each; a tenth of the memory is left.
    made = recipe("train.precision=float32", "train.batch=12")
    found = fit_batch(made, installed(), memory * MB)
    assert asked == [("float32", False)]
    assert found.train.accumulate == pieces
    assert found.train.model_copy(update={"accumulate": 1}) == made.train
    assert found.model_copy(update={"train": made.train}) == made


def test_a_batch_that_fits_stays_in_its_pieces(asked):
    made = recipe("train.precision=float32", "train.batch=12", "train.accumulate=6")
    assert fit_batch(made, installed(), 10_000 * MB) is made


def test_an_average_is_whole_in_every_process():
    frozen = {"generator's unet": 100 * MB, "generator's average": 5 * MB}
    cost = StepCost(frozen, {}, {"generator": 5 * MB}, {"generator": MB}, {}, block=20 * MB)
    sharded = cost.sharded(4)
    assert sharded.frozen == {"generator's unet": 25 * MB, "generator's average": 5 * MB}
    assert cost.peak(1) - sharded.peak(1) == (75 - 20) * MB
    assert replace(cost, moments=0.5).peak(1) == cost.peak(1) - 1.5 * 5 * MB


def test_choices_are_what_fits_first_and_the_least_work_first(asked):
    found = plan(400 * MB, "train.precision=float32", "train.batch=4")
    choices = found.choices
    assert len(choices) == len(set(asked)) == 4
    order = [(not each.fits, each.gmacs, each.accumulate) for each in choices]
    assert order == sorted(order)
    # 360 MB are to be had, and 140 MB or 90 MB are taken before any image.
    assert {(each.precision, each.checkpointing): each.accumulate for each in choices} == {
        ("float32", False): 4,
        ("bfloat16", False): 1,
        ("float32", True): 1,
        ("bfloat16", True): 1,
    }
    assert all(each.fits and each.peak <= 360 * MB for each in choices)
    assert choices[0].settings == [
        "train.precision=bfloat16",
        "backbone.precision=bfloat16",
        "backbone.checkpointing=false",
        "train.accumulate=1",
    ]


@pytest.mark.parametrize("memory", range(100, 1400, 100))
@pytest.mark.parametrize("batch", [1, 6, 7, 12])
def test_pieces_divide_the_batch_and_are_as_large_as_fits(asked, memory, batch):
    for each in plan(memory * MB, "train.precision=float32", f"train.batch={batch}").choices:
        assert each.batch == batch
        assert batch % each.accumulate == 0
        assert each.fits == (each.peak <= 0.9 * memory * MB)
        if not each.fits:
            assert each.accumulate == batch
            continue
        fewer = [n for n in range(1, each.accumulate) if batch % n == 0]
        image = (each.peak - 40 * MB - _frozen(each)) // (batch // each.accumulate)
        for pieces in fewer:
            assert 40 * MB + _frozen(each) + image * (batch // pieces) > 0.9 * memory * MB


def _frozen(choice):
    return (100 if choice.precision == "float32" else 50) * MB


def test_a_memory_too_small_for_anything_is_told(asked):
    choices = plan(50 * MB).choices
    assert choices
    assert not any(each.fits for each in choices)
    assert all(each.accumulate == each.batch for each in choices)


def test_the_settings_of_a_choice_are_a_recipe(asked):
    chosen = plan(400 * MB, "train.batch=4").choices[0]
    again = recipe("train.batch=4", *chosen.settings)
    assert again.train.accumulate == chosen.accumulate
    assert again.backbone.options["precision"] == chosen.precision
    assert again.backbone.options["checkpointing"] == chosen.checkpointing
    found = plan(None, "train.batch=4", *chosen.settings)
    assert found.cost.peak(found.images) == chosen.peak


def test_a_real_plan(toolkit_home, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    flags = {"backbone": "sd21:tiny", "loss": "mse", "disc": "none"}
    tables = compose({}, flags, ["train.crop=64"])
    found = plan_training(resolve(tables, installed()), installed(), 4 * 10**9)
    assert len(found.choices) == 2  # what computes in bfloat16 does not try float32
    assert all(each.fits and each.accumulate == 1 for each in found.choices)
    kept, again = found.choices
    assert (kept.checkpointing, again.checkpointing) == (False, True)
    assert kept.gmacs < again.gmacs
    assert not toolkit_home.exists()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("24GB", 24 * 10**9),
        ("512 MiB", 2**29),
        ("1.5GiB", 3 * 2**29),
        ("100mb", 10**8),
        (" 8 GB ", 8 * 10**9),
        ("0.5GB", 5 * 10**8),
    ],
)
def test_sizes(text, size):
    assert parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "24", "GB", "24G", "24KB", "24KiB", "24TB", "0GB", "0.0MB", "-1GB", "1e3GB", "1,5GB"],
)
def test_what_is_no_size_is_told(text):
    with pytest.raises(UsageError, match="is no size") as told:
        parse_memory(text)
    assert told.value.hint == "For example: --memory 24GB"


def test_a_backbone_without_such_options_is_planned_as_it_is(monkeypatch):
    class Bare(Options):
        """None of them."""

    built = installed().find("backbone", "pocket").build
    pocket = installed().options("backbone", Selection(use="pocket"))
    bare = Component(
        kind="backbone", name="bare", summary="", options=Bare, build=lambda *_: built(pocket)
    )
    registry = Registry()
    registry.add("ours", installed().components())
    registry.add("theirs", [bare])
    made = resolve(compose({}, {"loss": "mse", "backbone": "bare"}, []), registry)
    seen = []

    def step_cost(recipe, _registry):
        seen.append(recipe.backbone.options)
        return StepCost({}, {}, {}, {"generator": MB}, {"generator": 10**9})

    monkeypatch.setattr(planning, "step_cost", step_cost)
    (choice,) = plan_training(made, registry, 10**9).choices
    assert seen == [{}]
    assert not [each for each in choice.settings if each.startswith("backbone.")]
    tables = compose(made.model_dump(), {}, choice.settings)
    assert resolve(tables, registry).train.precision == choice.precision
