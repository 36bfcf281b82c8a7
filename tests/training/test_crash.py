"""A step that was not finite is kept, told, repeated, or skipped."""

import json
import shutil

import cv2
import numpy as np
import pytest
import torch
from faulty_training import JUDGE, REGISTRY, brightness, faulty, recipe

from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.errors import CheckpointError, DataError
from toolkit.runs import Run
from toolkit.training import crash
from toolkit.training.build import build_pairs, build_system
from toolkit.training.crash import keep_crash, replay
from toolkit.training.data import Batch
from toolkit.training.step import train_step
from toolkit.training.watch import NotFiniteError


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def report(run, step):
    return json.loads((run.crashes / f"step-{step:07d}/report.json").read_text(), parse_constant=no)


def no(word):
    raise AssertionError(f"{word} is no JSON")


CASES = {
    "loss": ({"loss": faulty()}, "the loss 'mse' (nan)", "MulBackward0"),
    "infinite": ({"loss": faulty("l1", fault="inf")}, "the loss 'l1' (inf)", None),
    "gradient": (
        {"loss": {"l1": 1.0, **faulty("lattice", fault="gradient")}},
        "the gradient of the loss 'lattice'",
        "PowBackward0",
    ),
    "latent": (
        {"gen": "faulty", "loss": "none", "objective": {"latent": 1.0}},
        "the loss 'latent' (nan)",
        "MseLossBackward0",
    ),
    "weight": (
        {"gen": {"use": "faulty", "fault": "weight"}},
        "the gradient of the loss 'mse' at the weights text",
        "",
    ),
    "adversarial": ({"disc": "faulty"}, "the loss 'adversarial' (inf)", "MulBackward0"),
    "discriminator": (
        {"disc": {"use": "faulty", "fault": "discriminator"}},
        "the loss 'discriminator' (inf)",
        "MulBackward0",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_is_named_kept_and_found_again(diverged, case):
    changed, guilty, operation = CASES[case]
    run, error = diverged(**changed)
    kinds = {"latent": "generator", "weight": "generator", "adversarial": "discriminator"}
    kind = kinds.get(case, "discriminator" if case == "discriminator" else "loss")
    assert str(error).startswith(
        f"Step 1 was not applied, because this is not finite: {guilty}, from the {kind} 'faulty' "
        "of tests. It computed "
    )
    folder = run.crashes / "step-0000001"
    assert f"Its images and weights are in {folder}." in str(error)
    assert not checkpoints(run.checkpoints)
    assert list(run.read_log()) == []
    found = report(run, 1)
    assert found["guilty"][0] == guilty
    assert found["step"] == found["pieces"] == 1
    assert found["samples"] == [0]
    before = content(run.folder)
    again = replay(folder, REGISTRY)
    assert content(run.folder) == before
    assert again.step == 1
    assert again.diagnosis.guilty == found["guilty"]
    assert again.diagnosis.document()["values"] == pytest.approx(found["values"])
    if operation:
        assert again.operation.startswith(f"Function '{operation}' returned nan values in its")
        assert again.operation.endswith(".")
        assert ", called at" in again.operation
    elif operation == "":
        assert again.operation == ""
        assert again.figures.keys() == found["figures"].keys()


def test_the_line_that_is_to_blame_is_named(diverged):
    run, _ = diverged(loss=faulty(fault="gradient"))
    assert "faulty_parts.py" in replay(run.crashes / "step-0000001", REGISTRY).operation


def test_nothing_is_applied_after_good_steps_and_images_and_weights_are_those_of_the_step(
    diverged, monkeypatch
):
    options = {"ema": 0.9, "batch": 2, "accumulate": 2}
    means = brightness(train={"steps": 8})
    pairs = [max(pair) for pair in zip(means[::2], means[1::2], strict=True)]
    bad = max(range(4), key=pairs.__getitem__) + 1
    assert bad > 1, "the first step must be a good one"
    run, error = diverged(loss=faulty(above=max(pairs)), disc=JUDGE, train=options)
    assert f"Step {bad} was not applied" in str(error)
    folder = run.crashes / f"step-{bad:07d}"
    newest = checkpoints(run.checkpoints)[-1]
    names = json.loads(read_metadata(newest)["parts"])
    assert {"generator.trained", "discriminator.optimizer"} <= names.keys()
    assert read_metadata(newest)["step"] == str(bad - 1)
    for part in names:
        saved, kept = load_part(newest, part), load_part(folder / "state.safetensors", part)
        assert saved.keys() == kept.keys()
        assert all(torch.equal(tensor, kept[name]) for name, tensor in saved.items())
    batch = build_pairs(recipe(), REGISTRY).batch(bad - 1, 2)
    kept = load_part(folder / "batch.safetensors", "batch")
    assert torch.equal(kept["lr"], batch.lr)
    assert torch.equal(kept["hr"], batch.hr)
    found = report(run, bad)
    assert found["samples"] == list(batch.numbers)
    assert found["photographs"] == list(batch.names)
    assert found["pieces"] == 2
    sheet = cv2.cvtColor(cv2.imread(str(folder / "batch.png")), cv2.COLOR_BGR2RGB)
    assert sheet.shape == (64, 64, 3)  # LR, enlarged, above HR
    hr = (255 * torch.cat([*batch.hr], 2)).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(sheet[32:], hr)
    means = [half.reshape(-1, 3).mean(0) for half in (sheet[:32], sheet[32:])]
    assert np.abs(means[0] - means[1]).max() < 25
    repeated = []
    monkeypatch.setattr(
        crash, "train_step", lambda *given: repeated.append(given) or train_step(*given)
    )
    replay(folder, REGISTRY)
    [(system, again, step)] = repeated
    assert (system.accumulate, step, again.numbers) == (2, bad - 1, batch.numbers)


@pytest.mark.parametrize("kind", ["weights", "images"])
def test_weights_and_images_that_are_not_finite_are_found_again(tmp_path, kind):
    plan, run = recipe(disc=JUDGE), Run(tmp_path / "run")
    run.create(plan)
    system = build_system(plan, REGISTRY)
    hr = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = Batch(torch.nn.functional.avg_pool2d(hr, 4), hr, (4, 5), ("one.png", "two.png"))
    if kind == "weights":
        with torch.no_grad():
            system.learners["discriminator"].parameters["head.2.bias"].fill_(float("inf"))
        guilty = "the discriminator's weights head.2.bias"
    else:
        batch.lr[1, 0, 0, 0] = float("nan")
        guilty = "the LR image of two.png"
    with pytest.raises(NotFiniteError) as told:
        train_step(system, batch, 2)
    kept = keep_crash(run, system, batch, 2, told.value)
    assert (kept.step, kept.guilty) == (3, guilty)
    again = replay(kept.folder, REGISTRY)
    assert again.diagnosis.guilty[0] == guilty
    assert report(run, 3)["guilty"] == again.diagnosis.guilty


def test_what_is_not_found_again_is_told_by_its_figures(tmp_path):
    plan, run = recipe(), Run(tmp_path / "run")
    run.create(plan)
    system = build_system(plan, REGISTRY)
    batch = build_pairs(plan, REGISTRY).sample(0)
    real = system.losses["mse"]
    system.losses["mse"] = real._replace(loss=lambda x, y: real.loss(x, y) * float("nan"))
    with pytest.raises(NotFiniteError) as told:
        train_step(system, batch, 0)
    system.losses["mse"] = real
    kept = keep_crash(run, system, batch, 0, told.value)
    assert kept.guilty == "mse (nan)"
    assert report(run, 1)["guilty"] == ["mse (nan)", "generator gradient (nan)"]
    assert replay(kept.folder, REGISTRY).diagnosis.guilty == []


def test_replaying_ignores_what_needs_several_processes_and_takes_options(diverged):
    run, _ = diverged(loss=faulty())
    plan = run.recipe()
    train = plan.train.model_copy(update={"shard": True, "compile": True, "device": "cuda:77"})
    plan.model_copy(update={"train": train}).save(run.recipe_path)
    again = replay(run.crashes / "step-0000001", REGISTRY, ["train.device=cpu"])
    assert again.diagnosis.guilty[0] == "the loss 'mse' (nan)"


def test_folders_that_cannot_be_replayed_are_told(diverged, tmp_path):
    run, _ = diverged(loss=faulty())
    folder = run.crashes / "step-0000001"
    command = f"toolkit train --replay {folder}"
    for place, hint in {
        tmp_path: "Name a folder such as RUN/crash/step-0000123",
        run.folder: f"For example: {command}",
        run.crashes: f"For example: {command}",
        run.crashes / "step-0000009": f"For example: {command}",
    }.items():
        with pytest.raises(DataError, match="holds no step to replay") as told:
            replay(place, REGISTRY)
        assert told.value.hint == hint
    moved = tmp_path / "step-0000001"
    shutil.copytree(folder, moved)
    with pytest.raises(DataError, match=f"{moved} is not in the folder of its run") as told:
        replay(moved, REGISTRY)
    assert "Move it back to where it was written: RUN/crash/step-0000001" in told.value.hint


@pytest.mark.parametrize("name", ["report.json", "state.safetensors", "batch.safetensors"])
@pytest.mark.parametrize("damage", ["torn", "gone", "other"])
def test_damaged_files_are_told(diverged, name, damage):
    run, _ = diverged(loss=faulty())
    path = run.crashes / "step-0000001" / name
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-40])
    elif damage == "gone":
        path.unlink()
    else:
        path.write_text("[]")
    with pytest.raises((DataError, CheckpointError)) as told:
        replay(path.parent, REGISTRY)
    if name == "report.json":
        assert "there is no report.json that can be read" in str(told.value)
    else:
        assert str(path) in str(told.value)
        assert f"toolkit train --resume --out {run.folder}" in told.value.hint
