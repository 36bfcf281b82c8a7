"""Runs: repeatable, resumable, and never half written."""

import json
import math

import pytest
import torch

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.discovery import installed
from toolkit.errors import CheckpointError
from toolkit.recipe import resolve
from toolkit.runs import Run, run_named
from toolkit.training import loop
from toolkit.training.build import build_system
from toolkit.training.schedule import set_rates


def recipe(**train):
    plan = {"steps": 4, "batch": 1, "crop": 32, "device": "cpu", "sample_every": 2}
    plan |= {"checkpoint_every": 2, **train}
    objective = {"first_loss_steps": plan.pop("alone", 0)}
    loss = plan.pop("loss", "mse")
    tables = {"disc": {"use": "nad", "lora_rank": 2}, "gen": {"use": "one-step", "lora_rank": 2},
              "loss": loss, "data": "photos:heldout", "train": plan,
              "objective": objective}  # fmt: skip
    return resolve(tables, installed())


def run_in(folder, **train):
    run = Run(folder)
    plan = recipe(**train)
    return run, loop.train(run, plan, installed())


def parts(run):
    newest = checkpoints(run.checkpoints)[-1]
    names = json.loads(read_metadata(newest)["parts"])
    return {name: load_part(newest, name) for name in names}


def assert_same(first, second):
    assert first.keys() == second.keys()
    for part, tensors in first.items():
        assert tensors.keys() == second[part].keys()
        assert tensors
        for name, tensor in tensors.items():
            assert torch.equal(tensor, second[part][name]), f"{part} {name}"


def test_the_same_recipe_and_seed_give_the_same_weights(tmp_path):
    first, _ = run_in(tmp_path / "a")
    torch.rand(7)  # the global generator has no say
    second, _ = run_in(tmp_path / "b", prefetch=0)
    assert_same(parts(first), parts(second))


def test_another_seed_gives_other_weights(tmp_path):
    first, _ = run_in(tmp_path / "a", steps=1)
    second, _ = run_in(tmp_path / "b", steps=1, seed=1)
    assert not torch.equal(parts(first)["generator"]["text"], parts(second)["generator"]["text"])


def test_a_resumed_run_equals_one_that_never_stopped(tmp_path):
    whole, _ = run_in(tmp_path / "whole")
    halves = Run(tmp_path / "halves")
    stops = iter([True])
    first = loop.train(halves, recipe(), installed(), should_stop=lambda: next(stops, False))
    assert first.stopped
    assert first.step == 1
    second = loop.train(halves, recipe(), installed())
    assert second.step == 4
    assert not second.stopped
    assert_same(parts(whole), parts(halves))
    assert halves.log.read_text() == whole.log.read_text()


def test_a_run_that_is_made_longer_keeps_its_recipe_true(tmp_path):
    run, _ = run_in(tmp_path / "run", steps=2)
    loop.train(run, recipe(steps=3), installed())
    whole, _ = run_in(tmp_path / "whole", steps=3)
    assert resolve(run.recipe_tables(), installed()).train.steps == 3
    assert_same(parts(whole), parts(run))


def test_a_crash_costs_no_more_than_the_steps_since_the_last_checkpoint(tmp_path, monkeypatch):
    whole, _ = run_in(tmp_path / "whole")
    real_step = loop.train_step

    def crash(system, batch, step, phase):
        if step == 3:
            raise RuntimeError("power cut")
        return real_step(system, batch, step, phase)

    crashed = Run(tmp_path / "crashed")
    monkeypatch.setattr(loop, "train_step", crash)
    with pytest.raises(RuntimeError, match="power cut"):
        loop.train(crashed, recipe(), installed())
    assert [path.name for path in checkpoints(crashed.checkpoints)] == ["step-0000002.safetensors"]
    monkeypatch.setattr(loop, "train_step", real_step)
    loop.train(crashed, recipe(), installed())
    assert_same(parts(whole), parts(crashed))
    assert crashed.log.read_text() == whole.log.read_text()


def test_a_run_leaves_recipe_log_samples_and_the_newest_checkpoints(tmp_path):
    run, outcome = run_in(tmp_path / "run", steps=6, keep=2)
    assert outcome.checkpoint == checkpoints(run.checkpoints)[-1]
    assert [p.name[5:12] for p in checkpoints(run.checkpoints)] == ["0000004", "0000006"]
    assert len(list(run.samples.glob("*.png"))) == 3
    records = [json.loads(line) for line in run.log.read_text().splitlines()]
    assert [record["step"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert {"mse", "adversarial", "discriminator"} <= records[0].keys()
    assert resolve(run.recipe_tables(), installed()) == recipe(steps=6, keep=2)


def test_a_resumed_run_with_every_schedule_equals_one_that_never_stopped(tmp_path):
    plan = {"steps": 4, "schedule": "cosine", "ema": 0.9, "alone": 2}
    whole, _ = run_in(tmp_path / "whole", **plan)
    stopped = Run(tmp_path / "stopped")
    calls = iter([False, False, True])
    loop.train(stopped, recipe(**plan), installed(), should_stop=lambda: next(calls))
    loop.train(stopped, recipe(**plan), installed())
    assert_same(parts(whole), parts(stopped))


def test_a_run_restores_with_the_averaged_weights_and_trains_on_with_its_own(tmp_path):
    run, _ = run_in(tmp_path / "run", ema=0.9)
    kept = parts(run)
    assert kept["generator"].keys() == kept["generator.trained"].keys()
    assert any(
        not torch.equal(t, kept["generator.trained"][n]) for n, t in kept["generator"].items()
    )
    for name, tensor in run.generator(installed()).state().items():
        assert torch.equal(tensor, kept["generator"][name])


def test_rates_fall_along_a_cosine(tmp_path):
    plan = recipe(steps=1000, schedule="cosine", lr=1e-2, disc_lr=1e-3, alone=400)
    system = build_system(plan, installed())
    found = []
    for step in (0, 400, 500, 1000):
        set_rates(system, plan, step)
        found.append(
            [learner.optimizer.param_groups[0]["lr"] for learner in system.learners.values()]
        )
    middle = 0.01 + 0.99 * (1 + math.cos(0.4 * math.pi)) / 2
    wanted = (1e-4, 1e-4 * middle, 5.05e-3, 1e-4)
    assert found == [pytest.approx([rate, rate / 10]) for rate in wanted]


def test_before_the_other_terms_join_in_there_is_the_first_loss_alone(tmp_path):
    run, _ = run_in(tmp_path / "run", alone=2)
    losses = {"mse", "ea-dists", "adversarial", "discriminator"}
    names = [json.loads(line).keys() & losses for line in run.log.read_text().splitlines()]
    assert names == [{"mse"}] * 2 + [{"mse", "adversarial", "discriminator"}] * 2


def test_further_losses_join_in(tmp_path):
    further = {"lattice": 100.0, "l1": 0.0}
    run, _ = run_in(tmp_path / "run", steps=2, alone=1, loss={"mse": 1.0, **further})
    plain, _ = run_in(tmp_path / "plain", steps=2, alone=1)
    before, after = (json.loads(line) for line in run.log.read_text().splitlines())
    assert not further.keys() & before.keys()
    assert further.keys() <= after.keys()
    assert not torch.equal(*(parts(each)["generator"]["text"] for each in (run, plain)))


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_begins_with_what_another_restores_with(tmp_path, ema):
    first, _ = run_in(tmp_path / "first", ema=0.5)
    own = {"start": str(first.folder), "ema": ema, "seed": 1}
    second, _ = run_in(tmp_path / "second", steps=1, lr=1e-12, weight_decay=0.0, **own)
    first_weights, second_weights = (parts(each)["generator"] for each in (first, second))
    for name, tensor in second_weights.items():
        assert torch.allclose(tensor, first_weights[name], atol=1e-9), name


def test_a_run_begins_with_the_restorer_that_ships(tmp_path):
    shipped = run_named("pocket", installed())
    plan = recipe(steps=1, lr=1e-12, weight_decay=0.0, start="pocket")
    plan = plan.model_copy(update={"gen": shipped.recipe().gen})
    second = Run(tmp_path / "second")
    loop.train(second, plan, installed())
    for name, tensor in shipped.generator(installed()).state().items():
        assert torch.allclose(tensor, parts(second)["generator"][name], atol=1e-9), name


def test_a_resumed_run_does_not_begin_again_with_another(tmp_path):
    first, _ = run_in(tmp_path / "first")
    plan = {"start": str(first.folder), "ema": 0.9}
    whole, _ = run_in(tmp_path / "whole", **plan)
    stopped = Run(tmp_path / "stopped")
    stops = iter([False, True])
    loop.train(stopped, recipe(**plan), installed(), should_stop=lambda: next(stops))
    (first.folder / "recipe.toml").unlink()
    loop.train(stopped, recipe(**plan), installed())
    assert_same(parts(whole), parts(stopped))


def test_a_generator_of_another_shape_is_no_beginning(tmp_path):
    first, _ = run_in(tmp_path / "first", steps=1)
    plan = recipe(start=str(first.folder))
    wider = plan.model_copy(update={"gen": plan.gen.over({"lora_rank": 4})})
    with pytest.raises(CheckpointError, match="generator"):
        loop.train(Run(tmp_path / "second"), wider, installed())
    assert not (tmp_path / "second").exists()
