"""Values that are not finite: whatever they come from, the step is not applied, and it is named."""

import functools

import pytest
import torch

import toolkit
from toolkit.contracts import encode
from toolkit.discovery import installed
from toolkit.recipe import resolve
from toolkit.training import system
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.diagnosis import Diagnosis, diagnose, merged
from toolkit.training.saving import parts_of
from toolkit.training.step import train_step
from toolkit.training.system import Term
from toolkit.training.watch import Figures, NotFiniteError

NAN = float("nan")
LOSSES = ["mse", "l1", "lattice"]
DEEP = ["lpips", "ea-lpips", "dists", "ea-dists"]
EACH = [*LOSSES, *(pytest.param(name, marks=pytest.mark.weights) for name in DEEP)]


def test_every_loss_is_put_to_the_test():
    names = [each.name for each in installed().components("loss")]
    assert sorted(names) == sorted(LOSSES + DEEP)


def made(*losses, **train):
    tables = {
        "gen": {"use": "one-step", "lora_rank": 2},
        "disc": {"use": "diffusion-gan", "lora_rank": 2},
        "loss": dict.fromkeys(losses, 1.0),
        "objective": {"latent": 1.0},
        "train": {"device": "cpu", "precision": "float32", "ema": 0.9, "clip": 1.0, "batch": 2,
                  "lr": 1e-3, **train},
    }  # fmt: skip
    return build_system(resolve(tables, installed()), installed())


def batch():
    hr = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr, (6, 7), ("one.png", "two.png"))


def values(trained):
    """All that a step changes, copied."""
    return {
        f"{part}/{name}": tensor.clone()
        for part, tensors in parts_of(trained).items()
        for name, tensor in tensors.items()
    }


def assert_untouched(trained, before):
    after = values(trained)
    assert after.keys() == before.keys()
    assert [name for name, tensor in after.items() if not torch.equal(tensor, before[name])] == []


@pytest.fixture(scope="module")
def whole():
    """A system after a step, with moments, an average and an adaptive discriminator."""
    trained = made("mse")
    train_step(trained, batch(), 0)
    before = values(trained)
    kinds = {name.partition(":")[2] for name in before if ".optimizer/" in name}
    assert {"exp_avg", "exp_avg_sq", "step"} <= kinds
    assert any(name.startswith("generator.trained/") for name in before)
    assert "discriminator/noising.pool" in before
    yield trained
    assert_untouched(trained, before)  # after all of these tests


@pytest.fixture
def refused(whole):
    """Takes a step that must fail and change nothing; returns the error and what is guilty."""

    def take(given=None):
        given, before = given or batch(), values(whole)
        with pytest.raises(NotFiniteError) as told:
            train_step(whole, given, 3)
        assert_untouched(whole, before)
        diagnosis = diagnose(whole, given, 3)
        assert_untouched(whole, before)
        return told.value, diagnosis

    return take


@functools.cache
def loss_named(name):
    return toolkit.make("loss", name)


def put_in(monkeypatch, trained, name, change):
    """Puts a loss into a system, its distances changed."""
    loss = loss_named(name)
    term = Term(1.0, lambda x, y: change(loss(x, y), x))
    monkeypatch.setitem(trained.losses, name, term)


@pytest.mark.parametrize("name", EACH)
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_loss(whole, refused, monkeypatch, name, value):
    put_in(monkeypatch, whole, name, lambda distance, _: distance * value)
    error, found = refused()
    assert str(error).startswith(f"The loss {name!r} is not finite at step 4: mse ")
    assert f"{name} {value}" in str(error)
    assert found.guilty[0] == f"the loss {name!r} ({value})"
    assert {each for each, one in found.values.items() if not abs(one) < 1e6} == {name}
    assert found.document()["values"][name] == str(value)


@pytest.mark.parametrize("name", EACH)
def test_the_gradient_alone_of_a_loss(whole, refused, monkeypatch, name):
    def steep(distance, x):
        return distance + (x - x.detach()).square().sum((1, 2, 3)).sqrt()

    put_in(monkeypatch, whole, name, steep)
    error, found = refused()
    assert str(error).startswith("A gradient is not finite at step 4: mse 0.")
    assert error.figures.not_finite == ["generator gradient (nan)"]
    assert found.guilty == [f"the gradient of the loss {name!r}"]
    assert found.gradients[name] != found.gradients[name]
    assert found.gradients["adversarial"] < 1e6


def test_the_loss_between_latents(whole, refused, monkeypatch):
    monkeypatch.setattr(system, "encode", lambda *given: encode(*given) * NAN)
    error, found = refused()
    assert str(error).startswith("The loss 'latent' is not finite")
    assert found.guilty[:2] == ["the loss 'latent' (nan)", "the loss 'discriminator' (nan)"]
    assert found.values["adversarial"] < 10


@pytest.mark.parametrize("whose", ["adversarial", "discriminator"])
def test_the_losses_of_a_discriminator(whole, refused, monkeypatch, whose):
    name = "logits" if whose == "adversarial" else "logits_of_both"
    real = getattr(whole.discriminator, name)

    def spoiled(*given):
        verdicts = real(*given)
        return tuple(x * NAN for x in verdicts) if isinstance(verdicts, tuple) else verdicts * NAN

    monkeypatch.setattr(whole.discriminator, name, spoiled)
    error, found = refused()
    assert str(error).startswith(f"The loss {whose!r} is not finite")
    assert found.guilty == [f"the loss {whose!r} (nan)"]


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_a_gradient_of_some_weights(whole, refused, part):
    parameters = whole.learners[part].parameters
    name, parameter = next(iter(parameters.items()))
    handle = parameter.register_hook(lambda gradient: gradient * NAN)
    try:
        error, found = refused()
    finally:
        handle.remove()
    assert error.figures.not_finite == [f"{part} gradient (nan)"]
    loss = "mse" if part == "generator" else "discriminator"
    assert found.guilty[0] == f"the gradient of the loss {loss!r} at the weights {name}"


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_a_weight(whole, refused, part):
    name, parameter = list(whole.learners[part].parameters.items())[-1]
    kept = parameter.detach().clone()
    try:
        with torch.no_grad():
            parameter.view(-1)[0] = NAN
        with pytest.raises(NotFiniteError):
            train_step(whole, batch(), 3)
        found = diagnose(whole, batch(), 3)
    finally:
        with torch.no_grad():
            parameter.copy_(kept)
    assert found.guilty[0] == f"the {part}'s weights {name}"


@pytest.mark.parametrize("kind", ["LR", "HR"])
def test_an_image(refused, kind):
    given = batch()
    (given.lr if kind == "LR" else given.hr)[1, 0, 2, 3] = NAN
    _, found = refused(given)
    assert found.guilty[0] == f"the {kind} image of two.png"
    assert ("the generator's latents" in found.guilty) == (kind == "LR")
    assert "the loss 'mse' (nan)" in found.guilty


def test_a_weight_that_is_not_finite_is_no_bug_of_the_plugin():
    """An object's first call, in which plugins' values are checked elsewhere."""
    trained = made("mse")
    with torch.no_grad():
        trained.learners["generator"].parameters["text"][:] = NAN
    with pytest.raises(NotFiniteError, match="The loss 'mse' is not finite at step 1: mse nan"):
        train_step(trained, batch(), 0)


def test_before_the_others_join_in_only_the_first_loss_is_looked_at(whole, monkeypatch):
    alone = whole.objective.model_copy(update={"first_loss_steps": 9})
    monkeypatch.setattr(whole, "objective", alone)
    found = diagnose(whole, batch(), 3)
    assert found.guilty == []
    assert found.values.keys() == found.gradients.keys() == {"mse"}


def test_a_diagnosis_has_the_values_of_the_step():
    trained = made("mse", accumulate=2)
    found, figures = diagnose(trained, batch(), 0), train_step(trained, batch(), 0)
    assert found.guilty == []
    assert found.values == pytest.approx(figures.losses, rel=1e-5)
    assert found.gradients.keys() == figures.losses.keys()


def test_a_loss_that_finds_no_memory_is_left_out(whole, monkeypatch):
    def greedy(_x, _y):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(whole.losses, "mse", whole.losses["mse"]._replace(loss=greedy))
    found = diagnose(whole, batch(), 3)
    assert (found.values, found.guilty) == ({}, [])


def test_diagnoses_of_several_ranks_are_one():
    one = Diagnosis({"mse": 1.0}, {"mse": NAN}, ["the gradient of the loss 'mse'"])
    two = Diagnosis({"mse": 3.0, "l1": 1.0}, {"mse": 2.0, "l1": 1.0}, ["b", "a"])
    found = merged([Diagnosis(), two, one, two])
    assert found.values == pytest.approx({"mse": 7 / 3, "l1": 1.0})
    assert found.document()["gradients"] == {"mse": "nan", "l1": 1.0}
    assert found.guilty == ["b", "a", "the gradient of the loss 'mse'"]


def test_figures_in_words():
    figures = Figures({"mse": 0.123456, "l1": NAN}, {"generator": float("inf")}, {"ratio": NAN})
    assert str(figures) == "mse 0.1235, l1 nan, generator gradient inf"
    assert figures.not_finite == ["l1 (nan)", "generator gradient (inf)"]
    assert figures.flat().keys() == {"mse", "l1", "generator gradient", "ratio"}
