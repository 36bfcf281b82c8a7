"""`toolkit train --plan`: what a step needs, said and not done."""

import pytest

from toolkit.costs import planning
from toolkit.costs.training_step import StepCost

SMALL = (
    "train", "--backbone", "sd21:tiny", "--loss", "mse", "--set", "train.crop=64",
    "--set", "train.precision=float32",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path, monkeypatch):
    """Each in an empty folder, which stays empty, with a cache that stays away."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    assert [path.name for path in tmp_path.iterdir()] == ["here"]
    assert list((tmp_path / "here").iterdir()) == []


@pytest.fixture
def quick(monkeypatch):
    """A step's cost by rule."""

    def step_cost(recipe, _registry):
        backbone = recipe.backbone.options
        size = 100 if backbone["checkpointing"] else 200
        size //= 2 if backbone["precision"] == "bfloat16" else 1
        return StepCost(
            frozen={"generator's unet": 10**8},
            losses={},
            trained={"generator": 10**7, "discriminator": 0},
            activations={"generator": size * 10**6, "discriminator": 10**7},
            macs={"generator": 10**12 // size, "discriminator": 10**9},
            moments=0.5 if recipe.train.optimizer == "adamw-8bit" else 2.0,
            block=10**7,
        )

    monkeypatch.setattr(planning, "step_cost", step_cost)


def test_a_plan_says_what_a_step_needs(cli):
    result = cli(*SMALL, "--batch", 6, "--set", "train.accumulate=2", "--plan")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "A step of 6 crops of 64 px on sd21, 3 at a time:"
    for part in ("vae, frozen", "unet, frozen", "generator, trained", "discriminator, trained",
                 "gradients", "optimiser (AdamW)", "at the peak"):  # fmt: skip
        [line] = [line for line in lines if part in line]
        assert line.endswith(" GB")
    assert len([line for line in lines if "activations, " in line]) == 2
    assert len([line for line in lines if "(not at the same time)" in line]) == 1
    assert "GMACs" in lines[-1]
    assert "fits" not in result.out
    assert "no weights are read" in result.err


def test_a_plan_for_programs(cli, quick):
    result = cli(*SMALL, "--plan", "--memory", "4GB", "--format", "json")
    assert result.code == 0, result.err
    document = result.document
    assert document.keys() == {"processes", "memory", "gmacs", "choices"}
    memory = document["memory"]
    assert (document["processes"], memory["gathered"]) == (1, 0)
    assert memory.keys() == {
        "frozen", "gathered", "losses", "trained", "gradients", "optimizer", "activations", "peak",
    }  # fmt: skip
    parts = [memory["gradients"], memory["optimizer"], max(memory["activations"].values())]
    held = sum(memory["frozen"].values()) + sum(memory["trained"].values())
    assert memory["peak"] == held + sum(parts)
    assert document["gmacs"].keys() == {"generator", "discriminator"}
    assert len(document["choices"]) == 4
    for choice in document["choices"]:
        assert choice.keys() == {
            "precision", "checkpointing", "batch", "accumulate",
            "peak", "gmacs", "fits", "settings",
        }  # fmt: skip
        assert choice["fits"] is True
        assert choice["peak"] < 0.9 * 4e9


def test_a_plan_for_several_processes(cli, quick):
    result = cli(*SMALL, "--batch", 8, "--set", "train.accumulate=2", "--ranks", 2)
    assert result.code == 0, result.err
    assert result.out.splitlines()[0] == (
        "A step of 8 crops of 64 px on sd21, 2 at a time in each of 2 processes:"
    )
    assert "gathered" not in result.out
    shard = ("--plan", "--ranks", 4, "--memory", "1GB", "--set", "train.shard=true")
    result = cli(*SMALL, "--batch", 8, *shard)
    assert result.code == 0, result.err
    lines = [" ".join(line.split()) for line in result.out.splitlines()]
    assert "generator's unet, frozen 0.025 GB" in lines
    assert "a block's frozen weights, gathered 0.010 GB" in lines
    found = cli(*SMALL, "--batch", 8, *shard, "--format", "json").document
    assert found["processes"] == 4
    memory = found["memory"]
    assert (memory["frozen"], memory["gathered"]) == ({"generator's unet": 25 * 10**6}, 10**7)
    assert memory["activations"]["generator"] == 2 * 200 * 10**6
    assert found["gmacs"]["generator"] == 2 * 10**12 // 200 / 1e9
    assert {each["batch"] for each in found["choices"]} == {2}


def test_eight_bits_are_planned(cli, quick):
    told = cli(*SMALL, "--plan", "--set", "train.optimizer=adamw-8bit").out
    assert "optimiser (8-bit AdamW)" in told
    assert " ".join(told.split()).count("optimiser (8-bit AdamW) 0.005 GB") == 1


@pytest.mark.parametrize(
    ("wrong", "told", "right"),
    [
        (["--batch", 6, "--ranks", 4], "Take a multiple of 4: --batch 8",
         ["--batch", 8, "--ranks", 4]),
        (["--plan", "--set", "train.shard=true"], "Plan for several: --plan --ranks 2",
         ["--plan", "--set", "train.shard=true", "--ranks", 2]),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_is_a_mistake(cli, quick, mistake, wrong, told, right):
    assert told in mistake(*SMALL, *wrong)
    assert cli(*SMALL, *right).code == 0


def test_a_memory_alone_asks_for_a_plan_and_the_first_choice_can_be_typed(cli, quick):
    result = cli(*SMALL, "--disc", "none", "--memory", "2 GiB")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert "Within 2 GiB, of which a tenth is left free, the least work first:" in lines
    assert len([line for line in lines if line.startswith("  fits ")]) == 4
    assert lines[-1].startswith("To take the first: --set train.precision=")
    again = cli(*SMALL, "--disc", "none", *lines[-1].partition(": ")[2].split(), "--dry-run")
    assert again.code == 0, again.err


def test_where_nothing_fits_it_says_so(cli, quick):
    result = cli(*SMALL, "--set", "train.crop=512", "--disc", "none", "--plan", "--memory", "1MB")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert len([line for line in lines if line.startswith("  does not fit")]) == 4
    assert lines[-1].startswith("Nothing fits: take smaller crops")
    assert "--set train.crop=256" in lines[-1]


@pytest.mark.parametrize("size", ["much", "24", "0GB", "-1GB", "24 TB"])
def test_what_is_no_size_is_a_mistake(mistake, size):
    told = mistake(*SMALL, "--plan", f"--memory={size}")
    assert f"--memory {size} is no size" in told
    assert "--memory 24GB" in told


def test_a_recipe_that_is_wrong_is_no_plan(mistake):
    assert "Did you mean 'nad'?" in mistake(*SMALL, "--disc", "nat", "--plan")


def test_a_plan_beside_a_run_is_allowed(cli, quick, smallest, trained):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    result = cli("train", *smallest, "--out", trained, "--plan")
    assert result.code == 0, result.err
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before
