"""The plain training step of the benchmark does what ours does, so that both may be compared."""

import argparse
from pathlib import Path

import pytest
import torch

pytest.importorskip("pyiqa")
pytestmark = pytest.mark.weights
SPEED = Path(__file__).parents[2] / "benchmarks" / "speed"


@pytest.fixture
def step_sides(monkeypatch):
    monkeypatch.syspath_prepend(str(SPEED))
    import step_sides

    return step_sides


def settings(backbone):
    return argparse.Namespace(
        backbone=backbone,
        crop=64,
        batch=2,
        device="cpu",
        precision="float32",
        checkpointing="false",
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("backbone", ["pocket", "sd21:tiny"])
def test_both_have_the_same_losses_and_weights(step_sides, backbone):
    args = settings(backbone)
    batch = step_sides.photographs(args.batch, args.crop)
    ours, theirs = step_sides.Ours(args), step_sides.Theirs(args)
    for number in range(3):
        losses = ours.step(batch, number)
        assert losses.keys() == {"mse", "ea-dists", "adversarial", "discriminator"}
        assert losses == pytest.approx(theirs.step(batch, number), rel=1e-4)
    assert theirs.trained().keys() == ours.trained().keys()
    found = step_sides.apart(*(outcome(step_sides, side.trained()) for side in (theirs, ours)))
    assert len(found) == 4
    assert all(0 < difference < 1e-2 for difference in found.values()), found


def outcome(step_sides, trained):
    return step_sides.gradients(trained) | step_sides.weights(trained)


def test_other_weights_are_told_apart(step_sides):
    weights = {
        name: step_sides.initial(name, torch.ones(9)) for name in ("generator/a", "discriminator/a")
    }
    moved = {name: (value + 1).requires_grad_() for name, value in weights.items()}
    for weight in moved.values():
        weight.sum().backward()
    one = outcome(step_sides, moved)
    other = {**one, "weight/generator/a": one["weight/generator/a"] + 0.5}
    other["gradient/discriminator/a"] = one["gradient/discriminator/a"] * 3
    assert step_sides.apart(other, one) == pytest.approx(
        {
            "generator's gradients": 0,
            "generator's weights": 0.5,
            "discriminator's gradients": 2,
            "discriminator's weights": 0,
        }
    )


def test_the_plain_step_has_two_networks_of_its_own(step_sides):
    training = step_sides.Theirs(settings("sd21:tiny")).training
    unet, trunk = (
        {p.data_ptr() for p in net.parameters()} for net in (training.unet, training.trunk)
    )
    assert not unet & trunk
    convolutions = [
        module
        for network in (training.unet, training.trunk, training.vae)
        for module in network.modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    assert {type(each) for each in convolutions} == {torch.nn.Conv2d}  # none of ours


def test_the_time_of_our_step_is_attributed(step_sides):
    import breakdown

    args = settings("pocket")
    seconds = breakdown.of_step(step_sides.recipe(args), 1)
    wanted = {"data", "degradation", "losses", "its own step", "generator: decoding"}
    assert wanted | {"generator: UNet", "discriminator in the generator's step"} <= seconds.keys()
    assert all(each >= 0 for each in seconds.values())
    assert seconds["other"] < 0.2 * sum(seconds.values())
