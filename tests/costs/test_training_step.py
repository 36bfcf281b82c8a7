"""What a step needs, found out without doing it, against what it really takes."""

import functools
import json
import socket

import pytest
import torch

from toolkit.costs.counting import Meter
from toolkit.costs.training_step import step_cost
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.recipe import compose, resolve
from toolkit.streams import torch_stream
from toolkit.training.build import build_system
from toolkit.training.data import Batch
from toolkit.training.step import generator_terms
from toolkit.training.system import frozen

LOSSES = ["mse", "l1", "dists", "ea-dists", "lpips:vgg", "ea-lpips:alex"]
DISCRIMINATORS = ["none", "vanilla", "diffusion-gan", "nad"]


@pytest.fixture(scope="module", autouse=True)
def no_weights(tmp_path_factory):
    """An empty cache and no network, here and in all that is asked."""
    home = tmp_path_factory.mktemp("cache") / "home"

    def refuse(*_arguments):
        raise AssertionError("nothing may ask a network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLKIT_HOME", str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr(socket.socket, "connect", refuse)
        yield
    real.cache_clear()  # else its weights would be shared with whatever comes next
    assert not home.exists()


def recipe(*overrides, crop=64, **flags):
    flags = {"backbone": "pocket", "disc": "nad", "loss": "mse", **flags}
    fixed = (f"train.crop={crop}", "train.device=cpu", "train.precision=float32")
    return resolve(compose({}, flags, [*fixed, *overrides]), installed())


@functools.cache
def cost(*overrides, crop=64, **flags):
    return step_cost(recipe(*overrides, crop=crop, **flags), installed())


@functools.cache
def real():
    return build_system(recipe(), installed())


@pytest.fixture(scope="module")
def sketch(tmp_path_factory):
    """A backbone of one level and no weights: all that a plan needs are its configurations."""
    folder = tmp_path_factory.mktemp("sketch")
    unet = {
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [32],
        "down_block_types": ["CrossAttnDownBlock2D"],
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "up_block_types": ["CrossAttnUpBlock2D"],
        "layers_per_block": 1,
        "cross_attention_dim": 32,
        "attention_head_dim": 2,
        "norm_num_groups": 8,
    }
    vae = {
        "block_out_channels": [8, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 2,
        "up_block_types": ["UpDecoderBlock2D"] * 2,
        "latent_channels": 4,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "scaling_factor": 1.0,
    }
    for part, config in (("unet", unet), ("vae", vae)):
        (folder / part).mkdir()
        (folder / part / "config.json").write_text(json.dumps(config))
    return f"pocket:{folder}"


def held(tensors):
    """Bytes, each storage once."""
    storages = {each.untyped_storage().data_ptr(): each.untyped_storage() for each in tensors}
    return sum(each.nbytes() for each in storages.values())


def untrained(network):
    return [each for each in network.parameters() if not each.requires_grad] + list(
        network.buffers()
    )


def test_weights_take_what_the_real_networks_take():
    plan, system = cost(), real()
    generator, judge = system.generator, system.discriminator
    assert plan.frozen == {
        f"generator's {name}": held(untrained(generator.networks[name])) for name in ("vae", "unet")
    }
    assert plan.trained == {
        "generator": held(generator.trainable().values()),
        "discriminator": held(judge.trainable().values()),
    }
    every = [*generator.networks.values(), *judge.networks.values()]
    tensors = [tensor for network in every for tensor in network.state_dict().values()]
    assert sum(plan.frozen.values()) + sum(plan.trained.values()) == held(tensors)


def test_a_shared_trunk_counts_once():
    shared, copies = cost(), cost("disc.share=false")
    trunk = held(untrained(real().discriminator.trunk))
    assert copies.frozen.keys() - shared.frozen.keys() == {"discriminator's trunk"}
    assert copies.frozen == {**shared.frozen, "discriminator's trunk": trunk}
    assert copies.peak(1) - shared.peak(1) == trunk
    assert copies.trained == shared.trained
    assert copies.macs == shared.macs


def test_frozen_weights_are_held_in_the_backbones_precision(sketch):
    full, half = (
        cost(f"backbone.precision={precision}", backbone=sketch, disc="none")
        for precision in ("float32", "bfloat16")
    )
    assert {name: 2 * size for name, size in half.frozen.items()} == full.frozen
    assert half.trained == full.trained
    assert half.activations["generator"] < full.activations["generator"]


def test_checkpointing_gives_memory_for_work():
    kept, again = cost(crop=128), cost("backbone.checkpointing=true", crop=128)
    for phase in ("generator", "discriminator"):
        assert again.activations[phase] < 0.6 * kept.activations[phase]
        assert 1.2 * kept.macs[phase] < again.macs[phase] < 1.5 * kept.macs[phase]
    assert (again.frozen, again.trained) == (kept.frozen, kept.trained)


def test_activations_and_work_grow_with_the_crop():
    small, large = cost(), cost(crop=128)
    assert large.activations["generator"] > 3 * small.activations["generator"] > 0
    assert large.activations["discriminator"] > small.activations["discriminator"]
    for phase in ("generator", "discriminator"):
        assert large.macs[phase] > 3.5 * small.macs[phase]
    assert (large.frozen, large.trained) == (small.frozen, small.trained)


def test_the_peak_is_all_that_is_held_at_once():
    plan = cost(crop=128)
    trained = sum(plan.trained.values())
    assert (plan.gradients, plan.optimizer) == (trained, 2 * trained)
    most = max(plan.activations.values())
    for images in (1, 3):
        fixed = sum(plan.frozen.values()) + 4 * trained
        assert plan.peak(images) == fixed + images * most


def combinations():
    """All of them; those whose halves are in others are left to the long round."""
    for loss in LOSSES:
        for disc in DISCRIMINATORS:
            again = disc in ("vanilla", "diffusion-gan") and loss not in ("mse", "ea-dists")
            yield pytest.param(loss, disc, marks=[pytest.mark.slow] if again else [])


@pytest.mark.parametrize(("loss", "disc"), list(combinations()))
def test_every_combination_can_be_planned(sketch, loss, disc):
    plan = cost(backbone=sketch, loss=loss, disc=disc)
    phases = {"generator"} | ({"discriminator"} if disc != "none" else set())
    assert plan.activations.keys() == plan.macs.keys() == phases
    assert all(macs > 0 for macs in plan.macs.values())
    assert plan.activations["generator"] > 0
    assert (plan.trained["discriminator"] > 0) == (disc != "none")
    assert plan.trained["generator"] > 0
    if loss in ("mse", "l1"):
        return
    simple = cost(backbone=sketch, disc=disc)
    assert plan.macs["generator"] > simple.macs["generator"]
    assert plan.activations["generator"] > simple.activations["generator"]


def test_edges_cost_their_share(sketch):
    with_edges, without = (cost(backbone=sketch, loss=loss, disc="none") for loss in LOSSES[3:1:-1])
    assert with_edges.macs["generator"] > 1.2 * without.macs["generator"]


def test_published_weights_are_planned_without_having_them():
    plan = cost(backbone="sd21", loss="ea-dists", disc="none")
    unet = 865_910_724 * 4
    assert plan.frozen["generator's unet"] == unet
    assert plan.frozen.keys() == {"generator's vae", "generator's unet"}


def test_options_without_meaning_here_are_left_out(sketch):
    plain = cost(backbone=sketch, disc="none")
    options = ("train.compile=true", "train.fused=true", "train.channels_last=true")
    assert cost(*options, backbone=sketch, disc="none") == plain
    few = cost("train.optimizer=adamw-8bit", "train.ema=0.9", backbone=sketch, disc="none")
    assert few.optimizer == plain.optimizer // 4
    average = few.frozen["generator's average"]
    assert average == few.trained["generator"]
    assert few.sharded(2).frozen["generator's average"] == average


def test_planning_leaves_attention_as_it_was(sketch):
    attention = torch.nn.functional.scaled_dot_product_attention
    cost(backbone=sketch, loss="mse", disc="vanilla")
    assert torch.nn.functional.scaled_dot_product_attention is attention
    with pytest.raises(UsageError, match="latents with 16 channels"):
        step_cost(recipe(crop=64, backbone=sketch, disc="nad:pocket"), installed())
    assert torch.nn.functional.scaled_dot_product_attention is attention


def test_the_plan_is_near_what_a_real_step_takes():
    plan, system = cost(crop=128), real()
    hr = torch.rand(4, 3, 128, 128, generator=torch_stream(0, "hr"))
    batch = Batch(torch.nn.functional.avg_pool2d(hr, 4), hr)
    with frozen(system.discriminator_parameters), Meter() as meter:
        generator_terms(system, system.pieces(batch, 0)[0]).total.backward()
    planned = 4 * plan.activations["generator"] + plan.gradients
    assert planned == pytest.approx(meter.peak, rel=0.15)
    assert 4 * plan.macs["generator"] == pytest.approx(meter.macs, rel=0.01)
