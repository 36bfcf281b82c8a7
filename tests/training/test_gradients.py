"""Who moves whom: the traps that others fell into, one test each."""

import pytest
import torch

from toolkit.discovery import installed
from toolkit.errors import DivergedError
from toolkit.recipe import resolve
from toolkit.streams import torch_stream
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import adversarial_loss, discriminator_loss, train_step


def tiny_system(*, adversarial=5e-3, pixel=1.0, disc="nad", loss="mse"):
    tables = {
        "gen": {"use": "one-step", "lora_rank": 2},
        "disc": {"use": disc} | ({"lora_rank": 2} if disc == "nad" else {}),
        "loss": {loss: pixel} if pixel else "none",
        "objective": {"adversarial": adversarial},
        "train": {
            "device": "cpu",
            "precision": "float32",
            "lr": 1e-3,
            "disc_lr": 1e-3,
            "weight_decay": 0.0,
        },
    }
    return build_system(resolve(tables, installed()), installed())


def batch():
    rng = torch_stream(0, "batch")
    hr = torch.rand(2, 3, 64, 64, generator=rng)
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


def state(part):
    return {name: tensor.clone() for name, tensor in part.state().items()}


def changed(before, part):
    after = part.state()
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def all_weights(system):
    generator, judge = system.generator, system.discriminator
    modules = {
        "vae": generator.vae,
        "unet": generator.unet,
        "trunk": judge.trunk,
        "head": judge.head,
    }
    return {
        f"{part}.{name}": tensor.clone()
        for part, module in modules.items()
        for name, tensor in module.state_dict().items()
    }


def test_the_adversarial_loss_alone_moves_the_generators_lora():
    system = tiny_system(pixel=0.0, adversarial=1.0)
    before = state(system.generator)
    train_step(system, batch(), 0)
    train_step(system, batch(), 1)  # LoRA's first factor moves only once the second has left zero
    moved = changed(before, system.generator)
    assert "text" in moved
    lora = {name for name in before if "lora_" in name}
    assert len(moved & lora) > 0.9 * len(lora)


def test_without_any_weight_the_generator_stands_still():
    system = tiny_system(pixel=0.0, adversarial=0.0)
    before = state(system.generator)
    train_step(system, batch(), 0)
    assert changed(before, system.generator) == set()


def test_the_discriminators_loss_moves_its_lora_head_and_text_and_nothing_else():
    system = tiny_system(pixel=0.0, adversarial=0.0)
    before = all_weights(system)
    learnt = state(system.discriminator)
    for step in range(2):
        train_step(system, batch(), step)
    after = all_weights(system)
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved
    assert all("lora_" in name or name.startswith("head.") for name in moved)
    assert {f"head.{n}" for n in system.discriminator.head.state_dict()} <= moved
    assert any(name.startswith("trunk.") for name in moved)
    assert "text" in changed(learnt, system.discriminator)


def test_no_gradient_of_the_generators_step_is_left_in_the_discriminator():
    system = tiny_system()
    parameters = system.discriminator.trainable().values()
    judged = system.discriminator.logits(
        system.generator.predict(batch().lr).latent, torch_stream(0, "t")
    )
    for parameter in parameters:
        parameter.grad = torch.full_like(parameter, 7.0)
    train_step(system, batch(), 0)
    assert judged.requires_grad
    # What was there before is gone, and what came is of the discriminator's own loss alone.
    alone = tiny_system(pixel=0.0, adversarial=0.0)
    train_step(alone, batch(), 0)
    own = alone.discriminator.trainable()
    for name, parameter in system.discriminator.trainable().items():
        if parameter.grad is None:
            assert own[name].grad is None
        else:
            torch.testing.assert_close(parameter.grad, own[name].grad)


def test_the_pixel_loss_reaches_the_lora_through_the_frozen_decoder():
    system = tiny_system(disc="none")
    before = state(system.generator)
    decoder = {n: t.clone() for n, t in system.generator.vae.state_dict().items()}
    for step in range(2):
        train_step(system, batch(), step)
    assert len(changed(before, system.generator)) > 0.9 * len(before)
    for name, tensor in system.generator.vae.state_dict().items():
        assert torch.equal(tensor, decoder[name])


def test_objectives_are_the_papers():
    fake, real = torch.tensor([[0.3]]), torch.tensor([[-0.8]])
    assert adversarial_loss(fake).item() == pytest.approx(-torch.sigmoid(fake).log().item())
    expected = -(1 - torch.sigmoid(fake)).log() - torch.sigmoid(real).log()
    assert discriminator_loss(fake, real).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("disc", ["nad", "none"])
def test_a_few_steps_overfit_one_batch(disc):
    system = tiny_system(disc=disc)
    losses = [train_step(system, batch(), step).losses["mse"] for step in range(12)]
    assert losses[-1] < losses[0]


def test_a_gradient_that_is_not_finite_changes_no_weight():
    system = tiny_system()
    term = system.losses["mse"]

    def steep(x, y):  # the root of nothing is 0, and infinitely steep
        return term.loss(x, y) + (x - x.detach()).sum((1, 2, 3)).sqrt()

    system.losses["mse"] = term._replace(loss=steep)
    before = state(system.generator), state(system.discriminator)
    with pytest.raises(DivergedError, match=r"gradient is not finite at step 4: mse 0\.\d+"):
        train_step(system, batch(), 3)
    assert changed(before[0], system.generator) == set()
    assert changed(before[1], system.discriminator) == set()


def test_the_discriminator_collects_no_gradient_while_the_generator_learns():
    system = tiny_system()
    judge, seen = system.discriminator, []

    def watched(real):
        def call(*given):
            learns = {p.requires_grad for p in judge.trainable().values()}
            seen.append((given[0].requires_grad, *learns))
            return real(*given)

        return call

    judge.logits, judge.logits_of_both = watched(judge.logits), watched(judge.logits_of_both)
    train_step(system, batch(), 0)
    assert seen == [(True, False), (False, True)]
