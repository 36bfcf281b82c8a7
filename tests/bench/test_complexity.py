"""Parameters and multiply-accumulates, by both conventions."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from toolkit.bench import costs
from toolkit.bench.complexity import complexity, count_parameters
from toolkit.bench.tables import Row
from toolkit.registry import installed
from toolkit.specs import Selection


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


def rows(recipe, monkeypatch):
    monkeypatch.setattr(costs, "SIDE", 64)
    return costs.measure_costs(Row(label="row", recipe=recipe), installed(), "pocket")


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


def test_every_form_of_a_generator_is_smaller_than_the_one_before(monkeypatch):
    found, needs = rows({"gen": "one-step:sd21"}, monkeypatch)
    assert not needs
    for convention in ("paper", "everything"):
        for metric in ("params_m", "gmacs"):
            name = f"{metric}_{convention}"
            forms = [found[f"{name}_{form}"] for form in ("unmerged", "merged", "folded")]
            assert forms[0] > forms[1] > forms[2] > 0, name
    # The headline is the paper's: unmerged, by its own convention.
    assert found["params_m"] == found["params_m_paper_unmerged"]
    assert found["gmacs"] == found["gmacs_paper_unmerged"]
    assert found["params_m_everything_unmerged"] > found["params_m"]
    assert found["gmacs_everything_unmerged"] > found["gmacs"]


def test_work_grows_with_the_image(monkeypatch):
    one, _ = rows({"disc": "nad"}, monkeypatch)
    monkeypatch.setattr(costs, "SIDE", 128)
    four, _ = costs.measure_costs(Row(label="r", recipe={"disc": "nad"}), installed(), "pocket")
    assert four["params_m"] == one["params_m"]
    assert 3 * one["gmacs"] < four["gmacs"] < 8 * one["gmacs"]


def test_a_discriminators_trunk_is_its_frozen_part(monkeypatch):
    found, _ = rows({"disc": "nad:sdxl"}, monkeypatch)
    judge = installed().make("discriminator", costs.at_scale(Selection(use="nad:sdxl"), "pocket"))
    every = {id(p): p for net in judge.networks.values() for p in net.parameters()}.values()
    frozen = sum(p.numel() for p in every if not p.requires_grad)
    assert found["trunk_params_m"] == pytest.approx(frozen / 1e6)
    assert found["params_m"] == pytest.approx(sum(p.numel() for p in every) / 1e6)


@pytest.mark.parametrize("name", ["vanilla", "diffusion-gan"])
def test_the_other_judges_of_table_6_cost_the_same(monkeypatch, name):
    assert rows({"disc": name}, monkeypatch) == rows({"disc": "nad"}, monkeypatch)


def test_the_scale_chooses_the_backbone_and_keeps_the_options():
    chosen = Selection(use="nad:sdxl", options={"lora_rank": 3})
    assert costs.at_scale(chosen, "paper") == chosen
    assert str(costs.at_scale(chosen, "pocket")) == "nad:pocket (lora_rank=3)"
    assert costs.at_scale(Selection(use="bicubic"), "pocket").use == "bicubic"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({"restorer": "seesr"}, "The restorer 'seesr' is not installed, and no plugin of the "),
        ({"gen": "two-step:sd21"}, "There is no generator named 'two-step'."),
        ({"disc": "none"}, "The discriminator 'none' does not name its networks."),
    ],
)
def test_what_cannot_be_measured_says_why(monkeypatch, recipe, told):
    measured, lacks = rows(recipe, monkeypatch)
    assert measured == {}
    [said] = [*lacks.needs, *lacks.faults]
    assert said.startswith(told)
