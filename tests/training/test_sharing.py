"""One set of frozen weights for generator and discriminator, pieces of a batch, checkpointing."""

import pytest
import torch

from toolkit.discovery import installed
from toolkit.recipe import compose, resolve
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import train_step


def system(*overrides, backbone="pocket", disc="nad", loss="mse"):
    base = ["train.device=cpu", "train.precision=float32", "gen.lora_rank=2", "train.lr=1e-3"]
    base += ["disc.lora_rank=2"] if disc != "none" else []
    flags = {"backbone": backbone, "disc": disc, "loss": loss}
    recipe = resolve(compose({}, flags, [*base, *overrides]), installed())
    return build_system(recipe, installed())


def batch(count=2):
    rng = torch.Generator().manual_seed(0)
    hr = torch.rand(count, 3, 64, 64, generator=rng)
    return Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)


def steps(made, count=2):
    """Losses of some steps, and the gradients of the last."""
    losses = [train_step(made, batch(), step).losses for step in range(count)]
    gradients = {
        f"{part}/{name}": parameter.grad.clone()
        for part, learner in made.learners.items()
        for name, parameter in learner.parameters.items()
        if parameter.grad is not None
    }
    return losses, gradients


def same(one, other, tolerance):
    (losses, gradients), (their_losses, their_gradients) = one, other
    for mine, theirs in zip(losses, their_losses, strict=True):
        assert mine == pytest.approx(theirs, rel=tolerance, abs=tolerance)
    assert gradients.keys() == their_gradients.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(
            gradient, their_gradients[name], rtol=tolerance, atol=tolerance, msg=name
        )


def frozen_storage(made):
    modules = (made.generator.unet, made.discriminator.trunk)
    return [
        {p.data_ptr() for p in module.parameters() if not p.requires_grad} for module in modules
    ]


@pytest.mark.parametrize("backbone", ["pocket", "sd21:tiny", "sdxl:tiny"])
@pytest.mark.parametrize("checkpointing", ["true", "false"])
def test_sharing_changes_no_loss_and_no_gradient(backbone, checkpointing):
    option = f"backbone.checkpointing={checkpointing}"
    shared = system(option, "disc.share=true", backbone=backbone)
    copies = system(option, "disc.share=false", backbone=backbone)
    unet, trunk = frozen_storage(shared)
    assert trunk <= unet, "one set of weights must serve both"
    unet, trunk = frozen_storage(copies)
    assert not trunk & unet
    same(steps(shared), steps(copies), 1e-5)


@pytest.mark.parametrize("disc", ["nad", "vanilla", "diffusion-gan"])
def test_checkpointing_changes_no_loss_and_no_gradient(disc):
    kept = system("backbone.checkpointing=false", disc=disc)
    again = system("backbone.checkpointing=true", disc=disc)
    assert again.generator.unet.is_gradient_checkpointing
    same(steps(again), steps(kept), 1e-5)


@pytest.mark.parametrize("checkpointing", ["true", "false"])
def test_both_gradients_reach_what_trains_and_nothing_else(checkpointing):
    made = system(f"backbone.checkpointing={checkpointing}", "loss.mse=0.0", backbone="sd21:tiny")
    for step in range(2):  # the second factor of LoRA starts at zero, and so holds back the first
        train_step(made, batch(), step)
    for learner in made.learners.values():
        without = [n for n, p in learner.parameters.items() if p.grad is None or not p.grad.any()]
        assert without == []
    trained = {id(p) for each in made.learners.values() for p in each.parameters.values()}
    parts = [*made.generator.networks.values(), *made.discriminator.networks.values()]
    for part in parts:
        for name, parameter in part.named_parameters():
            assert parameter.requires_grad == (id(parameter) in trained), name
            assert id(parameter) in trained or parameter.grad is None, name


@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_a_batch_in_pieces_has_the_same_mean_gradient(loss):
    whole = steps(system(disc="none", loss=loss), count=1)
    pieces = steps(system("train.batch=2", "train.accumulate=2", disc="none", loss=loss), count=1)
    same(pieces, whole, 1e-5)


def test_pieces_have_draws_of_their_own_and_are_repeatable():
    options = ("train.batch=2", "train.accumulate=2")
    one, again = steps(system(*options)), steps(system(*options))
    assert one[0] == again[0]
    adaptive = system(*options, disc="diffusion-gan")
    train_step(adaptive, batch(), 0)
    assert adaptive.discriminator.state()["noising.images"] == 2  # told once, of the whole batch
