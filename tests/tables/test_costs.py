"""Costs of rows: what is counted of each, and why others cannot be."""

import pytest

from toolkit.costs import components
from toolkit.discovery import installed
from toolkit.specs import Selection
from toolkit.tables import needs
from toolkit.tables.costs import row_costs
from toolkit.tables.settings import on_backbone_of
from toolkit.tables.spec import Row


def costs_of(recipe, monkeypatch):
    """Of a row in the small setting, for an image of 64 x 64 pixels."""
    monkeypatch.setattr(components, "SIDE", 64)
    return row_costs(Row(label="row", recipe=recipe), installed(), "pocket")


def test_every_form_of_a_generator_is_smaller_than_the_one_before(monkeypatch):
    costs = costs_of({"gen": "one-step:sd21"}, monkeypatch)
    found = costs.figures
    assert not costs.lacks
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
    one = costs_of({"disc": "nad"}, monkeypatch).figures
    monkeypatch.setattr(components, "SIDE", 128)
    four = row_costs(Row(label="r", recipe={"disc": "nad"}), installed(), "pocket").figures
    assert four["params_m"] == one["params_m"]
    assert 3 * one["gmacs"] < four["gmacs"] < 8 * one["gmacs"]


def test_a_discriminators_trunk_is_its_frozen_part(monkeypatch):
    found = costs_of({"disc": "nad:sdxl"}, monkeypatch).figures
    chosen = on_backbone_of(Selection(use="nad:sdxl"), "pocket")
    discriminator = installed().make("discriminator", chosen)
    every = {id(p): p for net in discriminator.networks.values() for p in net.parameters()}.values()
    frozen = sum(p.numel() for p in every if not p.requires_grad)
    assert found["trunk_params_m"] == pytest.approx(frozen / 1e6)
    assert found["params_m"] == pytest.approx(sum(p.numel() for p in every) / 1e6)


@pytest.mark.parametrize("name", ["vanilla", "diffusion-gan"])
def test_the_other_discriminators_of_table_6_cost_the_same(monkeypatch, name):
    assert costs_of({"disc": name}, monkeypatch) == costs_of({"disc": "nad"}, monkeypatch)


def test_the_setting_chooses_the_backbone_and_keeps_the_options():
    chosen = Selection(use="nad:sdxl", options={"lora_rank": 3})
    assert on_backbone_of(chosen, "paper") == chosen
    assert str(on_backbone_of(chosen, "pocket")) == "nad:pocket (lora_rank=3)"
    assert on_backbone_of(Selection(use="bicubic"), "pocket").use == "bicubic"


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        (
            {"restorer": "rival"},
            "The restorer 'rival' is not installed, and no plugin of ",
        ),
        ({"gen": "two-step:sd21"}, "There is no generator named 'two-step'."),
        ({"disc": "none"}, "The discriminator 'none' does not name its networks."),
    ],
)
def test_what_cannot_be_measured_says_why(monkeypatch, recipe, told):
    # As if the paper's tables had a system that no plugin supplies.
    monkeypatch.setattr(needs, "_named_in_tables", lambda: frozenset({"restorer/rival"}))
    costs = costs_of(recipe, monkeypatch)
    assert costs.figures == {}
    [said] = [*costs.lacks.needs, *costs.lacks.faults]
    assert said.startswith(told)
