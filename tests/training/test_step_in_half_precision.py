"""A step whose networks compute in bfloat16: losses are of float32, and of the same equations.

What the networks gave is recorded. It is close to what they give in float32, whose steps
`test_step_by_hand.py` pins; losses are computed from it a second time, in float64.
"""

import pytest
import torch

from toolkit.discovery import installed
from toolkit.recipe import resolve
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import train_step


def recipe(precision):
    tables = {
        "backbone": "sd21:tiny",
        "gen": {"use": "one-step", "lora_rank": 2, "timestep": 250},
        "disc": {"use": "nad", "lora_rank": 2},
        "loss": {"mse": 1.3, "l1": 0.7},
        "objective": {"latent": 0.6, "adversarial": 0.4, "discriminator": 0.25},
        "train": {"device": "cpu", "precision": precision, "seed": 5, "batch": 2, "steps": 8},
    }  # fmt: skip
    return resolve(tables, installed())


def batch():
    hr = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


class Recorded:
    """A system, what went between its parts in a step, its losses, and its gradients by part."""

    def __init__(self, precision):
        self.system = build_system(recipe(precision), installed())
        self.predictions, self.encoded, self.judged, self.verdicts = [], [], [], []
        generator, judge = self.system.generator, self.system.discriminator
        predict, encode = generator.predict, generator.encode
        logits, logits_of_both = judge.logits, judge.logits_of_both

        def keep(listed, value):
            listed.append(value)
            return value

        def judging(x, rng):
            self.judged.append(x)
            return keep(self.verdicts, logits(x, rng))

        generator.predict = lambda lr: keep(self.predictions, predict(lr))
        generator.encode = lambda hr: keep(self.encoded, encode(hr))

        def judging_both(fake, real, *rngs):
            self.judged += [fake, real]
            verdicts = logits_of_both(fake, real, *rngs)
            self.verdicts += verdicts
            return verdicts

        judge.logits, judge.logits_of_both = judging, judging_both
        self.called = {name: [] for name in self.system.losses}
        for name, term in self.system.losses.items():
            self.system.losses[name] = term._replace(loss=self.watched(name, term.loss))
        self.losses = train_step(self.system, batch(), 0).losses
        self.gradients = {
            part: torch.cat([p.grad.flatten() for p in learner.parameters.values()]).double()
            for part, learner in self.system.learners.items()
        }

    def watched(self, name, loss):
        def watching(prediction, target):
            within = torch.is_autocast_enabled("cpu")
            self.called[name].append((prediction.dtype, target.dtype, within))
            return loss(prediction, target)

        return watching


@pytest.fixture(scope="module")
def half():
    return Recorded("bfloat16")


@pytest.fixture(scope="module")
def whole():
    return Recorded("float32")


def apart(found, wanted):
    """Distance as a share of what is wanted."""
    found, wanted = found.detach().double(), wanted.detach().double()
    return ((found - wanted).norm() / wanted.norm()).item()


def test_the_networks_round_and_the_results_are_near(half, whole):
    for found, wanted in zip(half.predictions, whole.predictions, strict=True):
        for part in ("image", "latent"):
            assert 1e-4 < apart(getattr(found, part), getattr(wanted, part)) < 0.1
    for found, wanted in zip(half.verdicts, whole.verdicts, strict=True):
        assert 1e-4 < apart(found, wanted) < 0.1


def test_losses_and_discriminator_are_given_float32(half):
    assert half.called == {name: [(torch.float32, torch.float32, False)] for name in half.called}
    assert half.called.keys() == {"mse", "l1"}
    assert {x.dtype for x in (*half.judged, *half.verdicts)} == {torch.float32}


def test_losses_are_those_of_the_equations_to_float32s_digits(half):
    [prediction], hr = half.predictions, batch().hr.double()
    image, latent = (x.detach().double() for x in (prediction.image, prediction.latent))
    wanted = half.encoded[1].double()  # the first is of the LR image
    fooled, fake, real = (x.detach().double().sigmoid() for x in half.verdicts)
    assert half.losses == pytest.approx({
        "mse": (image - hr).square().mean().item(),
        "l1": (image - hr).abs().mean().item(),
        "latent": (latent - wanted).square().mean().item(),
        "adversarial": -fooled.log().mean().item(),
        "discriminator": (-(1 - fake).log().mean() - real.log().mean()).item(),
    }, rel=1e-5)  # fmt: skip


def test_gradients_are_float32s_but_for_rounding(half, whole):
    for part, wanted in whole.gradients.items():
        assert apart(half.gradients[part], wanted) < 0.3, part
    kept = {p.dtype for each in half.system.learners.values() for p in each.parameters.values()}
    assert kept == {torch.float32}
