"""The base class for parts that are ordinary modules."""

import pytest
import torch
from torch import nn

from toolkit.abilities import HasNetworks, networks_of
from toolkit.errors import CheckpointError
from toolkit.interfaces import Discriminator, Trainable
from toolkit.makers import has_member, members
from toolkit.modules import TrainableModule


class Judge(TrainableModule):
    judges = "images"

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 1, 4)
        self.norm = nn.BatchNorm2d(1)

    def logits(self, x, rng):
        return self.norm(self.layer(x))


def test_a_network_and_its_logits_are_a_discriminator():
    assert all(has_member(Judge(), name) for name in members(Discriminator))
    assert all(has_member(Judge(), name) for name in members(Trainable))
    assert isinstance(Judge(), HasNetworks)
    assert list(networks_of(Judge())) == ["judge"]


def test_all_parameters_are_trained_and_buffers_are_saved_too():
    judge = Judge()
    assert judge.trainable().keys() == dict(judge.named_parameters()).keys()
    assert judge.state().keys() - judge.trainable().keys() == {
        "norm.running_mean", "norm.running_var", "norm.num_batches_tracked",
    }  # fmt: skip
    assert not any(tensor.requires_grad for tensor in judge.state().values())


def test_a_state_is_taken_over_whole_or_refused():
    first, second = Judge(), Judge()
    first.logits(torch.rand(2, 3, 8, 8), torch.Generator())  # moves the running statistics
    second.load_state(first.state())
    for name, tensor in second.state().items():
        assert torch.equal(tensor, first.state()[name])
    lacking = {name: tensor for name, tensor in first.state().items() if name != "norm.bias"}
    with pytest.raises(CheckpointError, match=r"lacks Judge's norm\.bias"):
        second.load_state(lacking)
