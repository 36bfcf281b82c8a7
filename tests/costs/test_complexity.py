"""Parameters and multiply-accumulates, by both conventions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from toolkit.costs.complexity import complexity, count_parameters


class Condition(nn.Module):
    """An embedding, and a layer that tells it."""

    def __init__(self):
        super().__init__()
        self.text = nn.Parameter(torch.zeros(1, 7, 4))


class Attending(nn.Module):
    """A convolution, norms of both kinds, and attention of every place to every other."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.group, self.layer = nn.GroupNorm(2, 4), nn.LayerNorm(4)

    def forward(self, x):
        x = self.layer(self.group(self.conv(x)).flatten(2).transpose(1, 2))[:, None]
        return F.scaled_dot_product_attention(x, x, x)


class System:
    """Names its networks."""

    def __init__(self, **networks):
        self.networks = networks


CONV, GROUP, LAYER, TEXT = 3 * 4 * 9 + 4, 8, 8, 28


def test_the_paper_leaves_out_group_norms_and_the_condition():
    system = System(unet=Attending(), condition=Condition())
    assert count_parameters(system, "everything") == CONV + GROUP + LAYER + TEXT
    assert count_parameters(system, "paper") == CONV + LAYER
    assert count_parameters(system) == count_parameters(system, "everything")
    # It is left out by its name: elsewhere an embedding counts.
    assert count_parameters(System(text=Condition()), "paper") == TEXT


def test_shared_parameters_count_once():
    layer = nn.Linear(3, 5)
    one, other = nn.Sequential(layer), nn.Sequential(layer, nn.Linear(5, 2))
    assert count_parameters(System(one=one, other=other)) == 20 + 12
    tied = nn.Linear(3, 5)
    tied.weight = layer.weight
    assert count_parameters(System(one=one, other=tied)) == 20 + 5


def test_parameters_can_be_chosen():
    network = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2).requires_grad_(False))
    frozen = count_parameters(System(net=network), only=lambda each: not each.requires_grad)
    assert frozen == 12


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_work_is_counted_by_both_conventions(device):
    network = Attending().to(device)
    found = complexity(System(net=network), lambda: network(torch.zeros(2, 3, 8, 8, device=device)))
    layers, attention = 2 * 64 * 4 * 27, 2 * (2 * 64 * 64 * 4)
    assert found["paper"].macs == layers
    assert found["everything"].macs == layers + attention
    assert found["paper"].parameters == CONV + LAYER


def test_layers_of_other_networks_are_not_the_papers_and_nothing_is_left_behind():
    network, other = nn.Linear(3, 5), nn.Linear(3, 5)
    x = torch.zeros(1, 3)
    found = complexity(System(net=network), lambda: (network(x), other(x)))
    assert (found["paper"].macs, found["everything"].macs) == (15, 30)
    assert not network._forward_hooks
    with pytest.raises(RuntimeError):
        complexity(System(net=network), lambda: network(torch.zeros(1, 4)))
    assert not network._forward_hooks


def test_a_layer_that_is_used_twice_works_twice():
    layer = nn.Conv2d(4, 4, 3, groups=2, bias=False)
    x = torch.zeros(1, 4, 5, 5)
    found = complexity(System(net=layer), lambda: (layer(x), layer(x)))
    assert found["paper"].macs == found["everything"].macs == 2 * (9 * 4 * 2 * 9)
