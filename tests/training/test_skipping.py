"""Steps that are not finite: skipped as often as may be, and what to type if they may not."""

import pytest
import torch
from faulty_training import JUDGE, REGISTRY, brightness, faulty, recipe

from toolkit.checkpoints import checkpoints, load_part
from toolkit.errors import DivergedError
from toolkit.runs import Run
from toolkit.training import loop


def threshold(count):
    """A brightness that `count` of the steps reach, and the numbers of these steps."""
    means = brightness()
    ordered = sorted(means, reverse=True)
    above = (ordered[count - 1] + ordered[count]) / 2
    return above, [step + 1 for step, mean in enumerate(means) if mean >= above]


def test_the_hints_are_commands_for_this_run(diverged):
    above, (bad,) = threshold(1)
    run, error = diverged(loss=faulty(above=above))
    first, second, third = error.hint.splitlines()
    assert first == (
        f"To repeat it, loss by loss: toolkit train --replay {run.crashes}/step-{bad:07d}"
    )
    assert second == (
        f"To train from its last checkpoint, step-{bad - 1:07d}.safetensors, at lower rates: "
        f"toolkit train --config {run.recipe_path} --start {run.folder} --set train.lr=0.0001 "
        f"--set train.disc_lr=0.0001 --out {run.folder}-2"
    )
    assert third == (
        "To skip such steps, at most 10 of them: "
        f"toolkit train --resume --out {run.folder} --set train.max_skipped_steps=10"
    )


def test_steps_are_skipped_as_often_as_may_be(tmp_path):
    above, bad = threshold(2)
    reports = []
    run = Run(tmp_path / "run")
    plan = recipe(loss=faulty(above=above), train={"max_skipped_steps": 2})
    loop.train(run, plan, REGISTRY, on_step=reports.append)
    assert [each.step for each in reports if each.skipped] == bad
    assert all("the loss 'mse' (nan)" in each.skipped for each in reports if each.skipped)
    logged = dict(run.read_log())
    assert [step for step, figures in logged.items() if figures == {"skipped": 1.0}] == bad
    assert set(logged) == {1, 2, 3, 4}
    assert all("mse" in logged[step] for step in logged.keys() - set(bad))
    assert sorted(path.name for path in run.crashes.iterdir()) == [f"step-{n:07d}" for n in bad]
    for step in bad:  # a checkpoint of a skipped step holds what was there before it
        if step > 1:
            before, after = (
                load_part(run.checkpoints / f"step-{n:07d}.safetensors", "generator")
                for n in (step - 1, step)
            )
            assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_one_more_step_than_may_be_skipped_stops(diverged):
    above, bad = threshold(2)
    run, error = diverged(loss=faulty(above=above), train={"max_skipped_steps": 1})
    assert f"Step {bad[1]} was not applied" in str(error)
    assert str(error).endswith("Steps skipped before it: 1, as many as may be.")
    assert "--set train.max_skipped_steps=11" in error.hint
    assert checkpoints(run.checkpoints)[-1].name == f"step-{bad[1] - 1:07d}.safetensors"


def test_a_run_that_skipped_goes_on_exactly_and_remembers_how_often(tmp_path):
    above, bad = threshold(2)
    plan = {"loss": faulty(above=above), "disc": JUDGE}
    whole = Run(tmp_path / "whole")
    loop.train(whole, recipe(**plan, train={"max_skipped_steps": 2}), REGISTRY)
    parts = Run(tmp_path / "parts")
    with pytest.raises(DivergedError, match=f"Step {bad[1]} "):
        loop.train(parts, recipe(**plan, train={"max_skipped_steps": 1}), REGISTRY)
    with pytest.raises(DivergedError, match="Steps skipped before it: 1,"):
        loop.train(parts, recipe(**plan, train={"max_skipped_steps": 1}), REGISTRY)
    loop.train(parts, recipe(**plan, train={"max_skipped_steps": 2}), REGISTRY)
    assert parts.log.read_text() == whole.log.read_text()
    for part in ("generator", "generator.optimizer", "discriminator", "discriminator.optimizer"):
        first, second = (
            load_part(run.checkpoints / "step-0000004.safetensors", part) for run in (whole, parts)
        )
        assert first
        assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())
