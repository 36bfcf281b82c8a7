"""Accuracies and the ratio of gradients, computed a second time; and where they are shown."""

import copy
import json

import pytest
import torch

from toolkit.cli import progress
from toolkit.component import Component
from toolkit.contracts import logits, predict
from toolkit.discovery import installed
from toolkit.modules import TrainableModule
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.training import loop
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.health import Health, health_of
from toolkit.training.loop import Report
from toolkit.training.step import train_step


class Patches(TrainableModule):
    """Judges images, 4 px by 4 px."""

    judges = "images"

    def __init__(self, _options, _context):
        super().__init__()
        self.net = torch.nn.Conv2d(3, 1, 4, stride=4)

    def logits(self, x, rng):
        return self.net(x - 0.5 + 0.1 * torch.randn(x.shape, generator=rng))


REGISTRY = copy.deepcopy(installed())
REGISTRY.add("tests", [Component(kind="discriminator", name="patches", summary="", build=Patches)])
WEIGHTS = {"mse": 0.5, "l1": 2.0}


def recipe(disc="nad", latent=0.0, adversarial=0.3, losses=WEIGHTS, **train):
    rank = {"lora_rank": 2} if disc == "nad" else {}
    tables = {
        "gen": {"use": "one-step", "lora_rank": 2},
        "disc": {"use": disc, **rank},
        "loss": losses or "none",
        "objective": {"latent": latent, "adversarial": adversarial},
        "train": {"device": "cpu", "precision": "float32", "batch": 4, "seed": 3, "steps": 2,
                  "crop": 32, "sample_every": 0, **train},
        "data": "photos:heldout",
    }  # fmt: skip
    return resolve(tables, REGISTRY)


def batch():
    hr = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


def by_hand(system, step):
    """Gradients of both parts where the discriminator looks, and its verdicts, over the pieces."""
    adversarial, other, right = 0.0, 0.0, {"real": [], "fake": []}
    for piece in system.pieces(batch(), step):
        prediction = predict(system.generator, piece.lr)
        image, latent = prediction.image, prediction.latent
        judged = image if system.discriminator.judges == "images" else latent
        gap = image - piece.hr
        losses = WEIGHTS["mse"] * gap.square().mean() + WEIGHTS["l1"] * gap.abs().mean()
        target = system.generator.encode(piece.hr)
        losses = losses + system.objective.latent * (latent - target).square().mean()
        with piece.draws.for_images("generator") as rng:
            verdict = logits(system.discriminator, judged, rng)
        fooled = -system.objective.adversarial * verdict.sigmoid().log().mean()
        parts = system.accumulate
        for name, loss in (("other", losses), ("adversarial", fooled)):
            # Of the loss between latents alone nothing reaches the image.
            (gradient,) = torch.autograd.grad(loss / parts, judged, retain_graph=True)
            if name == "other":
                other += gradient.square().sum().item()
            else:
                adversarial += gradient.square().sum().item()
        real = piece.hr if system.discriminator.judges == "images" else target
        for name, x in (("fake", judged.detach()), ("real", real)):
            with torch.no_grad(), piece.draws.for_images(name) as rng:
                verdict = logits(system.discriminator, x, rng)
            right[name].append((verdict > 0) == (name == "real"))
    return {
        "adversarial ratio": (adversarial / other) ** 0.5,
        **{f"{name} accuracy": torch.cat(each).float().mean().item()
           for name, each in right.items()},
    }  # fmt: skip


@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    ("disc", "latent"), [("nad", 0.0), ("nad", 0.7), ("patches", 0.0), ("patches", 0.7)]
)
def test_it_is_what_is_computed_by_hand(disc, latent, pieces):
    system = build_system(recipe(disc, latent, accumulate=pieces), REGISTRY)
    for step in range(2):
        wanted = by_hand(system, step)
        assert wanted["adversarial ratio"] > 0
        found = train_step(system, batch(), step).health
        assert found == pytest.approx(wanted, rel=1e-3)


def test_measuring_changes_no_gradient(monkeypatch):
    def moved():
        system = build_system(recipe(accumulate=2), REGISTRY)
        for step in range(2):
            train_step(system, batch(), step)
        return {name: tensor.clone() for name, tensor in system.generator.state().items()}

    measured = moved()
    monkeypatch.setattr(Health, "watch", lambda _self, fake: fake)
    for name, tensor in moved().items():
        assert torch.equal(tensor, measured[name])


def test_an_image_judged_alone_has_no_ratio_and_without_a_judge_there_is_no_health():
    alone = build_system(recipe(losses=None), REGISTRY)
    found = train_step(alone, batch(), 0)
    assert found.health.keys() == {"real accuracy", "fake accuracy"}
    without = train_step(build_system(recipe("none"), REGISTRY), batch(), 0)
    assert without.health == {}
    assert without.flat().keys() == {"mse", "l1", "generator gradient"}


def test_a_weight_of_nothing_is_a_ratio_of_nothing():
    system = build_system(recipe(adversarial=0.0), REGISTRY)
    assert train_step(system, batch(), 0).health["adversarial ratio"] == 0


def test_before_the_discriminator_joins_in_there_is_no_health():
    plan = recipe()
    objective = plan.objective.model_copy(update={"first_loss_steps": 1})
    system = build_system(plan.model_copy(update={"objective": objective}), REGISTRY)
    assert train_step(system, batch(), 0).health == {}
    assert len(train_step(system, batch(), 1).health) == 3


def test_a_logit_of_nothing_is_right_for_neither():
    health = Health(torch.device("cpu"))
    health.judge(torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[0.0, -1.0]]]))
    sums = {name: value.item() for name, value in health.sums.items()}
    assert health_of(sums) == {"real accuracy": 0.5, "fake accuracy": 0.5}


def test_the_log_has_it_and_the_norms(tmp_path):
    reports, run = [], Run(tmp_path / "run")
    loop.train(run, recipe(), REGISTRY, on_step=reports.append)
    lines = [json.loads(line) for line in run.log.read_text().splitlines()]
    names = {"mse", "l1", "adversarial", "discriminator", "generator gradient",
             "discriminator gradient", "real accuracy", "fake accuracy",
             "adversarial ratio"}  # fmt: skip
    assert [line.keys() - {"step"} for line in lines] == [names, names]
    assert [{"step": each.step, **each.figures} for each in reports] == lines


FIGURES = {
    "mse": 0.012345, "ea-dists": 0.3, "adversarial": 0.71, "discriminator": 1.38,
    "generator gradient": 0.5, "discriminator gradient": 0.25,
    "real accuracy": 0.938, "fake accuracy": 0.8801, "adversarial ratio": 0.1291,
}  # fmt: skip
SHOWN = (
    "mse 0.01235  ea-dists 0.3  adversarial 0.71  discriminator 1.38  "
    "D 94 % real, 88 % fake  adversarial/other 0.13"
)


def shown(figures, capsys):
    with progress.training_progress(1) as show:
        show(Report(1, figures))
    return capsys.readouterr().err


def test_a_line_shows_losses_and_in_short_the_health(capsys):
    line = shown(FIGURES, capsys)
    assert line == f"step 1/1  … steps/s  … left  {SHOWN}\n"


@pytest.mark.parametrize(
    ("figures", "end"),
    [
        ({"mse": 0.5, "generator gradient": 1.0}, "left  mse 0.5\n"),
        ({"skipped": 1.0}, "left  skipped 1\n"),
        ({"mse": 0.5, "real accuracy": 1.0, "fake accuracy": 0.0},
         "left  mse 0.5  D 100 % real, 0 % fake\n"),
    ],
)  # fmt: skip
def test_a_line_shows_what_there_is(capsys, figures, end):
    assert shown(figures, capsys).endswith(end)


def test_the_bar_shows_the_same(monkeypatch):
    import io

    import rich.console

    screen = io.StringIO()
    real = rich.console.Console
    monkeypatch.setattr(
        rich.console,
        "Console",
        lambda **_: real(file=screen, force_terminal=True, width=300, color_system=None),
    )
    with progress.training_progress(1) as show:
        show(Report(1, FIGURES))
    assert SHOWN in screen.getvalue()
