"""The options' published values and ranges, and the discriminator that is none."""

import pytest
import torch

import toolkit
from toolkit.discovery import installed
from toolkit.errors import CheckpointError, OptionsError
from toolkit.specs import Selection

PAPER = {"lora_rank": 16, "lora_alpha": 16.0, "head": "mlp", "shared_draws": False, "share": True}
WANG = {"target": 0.6, "ramp": 100_000, "sampling": "priority"}


@pytest.mark.parametrize("name", ["nad", "vanilla", "diffusion-gan"])
def test_defaults_are_the_published_values(name):
    values = installed().find("discriminator", name).options().model_dump()
    values.pop("backbone")
    assert values == PAPER | (WANG if name == "diffusion-gan" else {})


@pytest.mark.parametrize(
    ("option", "least"), [("lora_rank", 1), ("lora_alpha", 0.5), ("target", -1), ("ramp", 1)]
)
def test_the_least_value_of_an_option_is_taken_and_one_below_is_not(option, least):
    def options(value):
        selection = Selection(use="diffusion-gan", options={option: value})
        return installed().options("discriminator", selection)

    assert getattr(options(least), option) == least
    with pytest.raises(OptionsError, match=option):
        options(least - 1)


@pytest.mark.parametrize(("value", "fits"), [(1, True), (1.5, False)])
def test_a_target_is_1_at_most(value, fits):
    selection = Selection(use="diffusion-gan", options={"target": value})
    if fits:
        assert installed().options("discriminator", selection).target == 1
        return
    with pytest.raises(OptionsError, match="target"):
        installed().options("discriminator", selection)


def test_none_is_undecided_learns_nothing_and_refuses_the_state_of_another():
    none = toolkit.make("discriminator", "none")
    logits = none.logits(torch.ones(3, 4, 8, 8), torch.Generator())
    assert logits.tolist() == [[0.0]] * 3
    assert (none.trainable(), none.state(), none.shared_draws) == ({}, {}, False)
    assert none.to(torch.device("cpu")) is none
    none.load_state({})
    with pytest.raises(CheckpointError, match="text"):
        none.load_state({"text": torch.zeros(1)})


@pytest.mark.parametrize("options", [{}, {"share": True}, {"share": False}])
def test_weights_are_a_generators_unless_told_otherwise(options):
    unet = toolkit.make("backbone", "sd21:tiny").unet(shared=True)
    judge = toolkit.make("discriminator", "nad:sd21:tiny", lora_rank=2, **options)
    one, other = (each.conv_in.weight.data_ptr() for each in (unet, judge.trunk))
    assert (one == other) is options.get("share", True)
