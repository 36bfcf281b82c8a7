"""`toolkit plugins`: lists and shows, as tables and as JSON."""

import pytest

from toolkit.component import KINDS
from toolkit.registry import installed


def test_the_list_is_one_json_document_of_every_component(cli):
    result = cli("plugins", "list", "--format", "json")
    assert result.code == 0
    assert result.document["notices"] == []
    listed = {(each["kind"], each["name"]) for each in result.document["components"]}
    assert listed == {(each.kind, each.name) for each in installed().components()}
    assert all(each["summary"] and each["distribution"] for each in result.document["components"])


@pytest.mark.parametrize("kind", KINDS)
def test_one_kind_can_be_listed(cli, kind):
    listed = cli("plugins", "list", "--kind", kind, "--format", "json").document["components"]
    assert listed
    assert {each["kind"] for each in listed} == {kind}


def test_the_table_names_every_component(cli):
    lines = cli("plugins", "list").out.splitlines()[1:]
    listed = [tuple(line.split()[:2]) for line in lines]
    assert listed == [(each.kind, each.name) for each in installed().components()]


def test_an_unknown_kind_is_told_with_the_known_ones(mistake):
    told = mistake("plugins", "list", "--kind", "losss")
    assert "'losss'" in told
    assert "generator, discriminator, loss" in told


@pytest.mark.parametrize("component", installed().components(), ids=lambda c: f"{c.kind}/{c.name}")
def test_every_component_can_be_shown(cli, component):
    named = f"{component.kind}/{component.name}"
    [shown] = cli("plugins", "show", named, "--format", "json").document
    assert shown["options"].keys() == component.options.model_fields.keys()
    assert shown["licence"] == component.licence
    assert all(option["description"] for option in shown["options"].values())
    table = cli("plugins", "show", named).out
    assert component.summary in table
    assert all(option in table for option in component.options.model_fields)


def test_a_name_of_several_kinds_shows_all_of_them(cli):
    shown = cli("plugins", "show", "dists", "--format", "json").document
    assert {each["kind"] for each in shown} == {"loss", "metric"}


def test_weights_are_shown_with_their_origin(cli):
    [shown] = cli("plugins", "show", "loss/ea-dists", "--format", "json").document
    assert {file["name"] for file in shown["weights"]} == {"lpips-vgg16.ckpt", "dists.pt"}


@pytest.mark.parametrize(
    ("name", "told"), [("ea-dist", "Did you mean 'ea-dists'?"), ("metric/nad", "'metric/nad'")]
)
def test_an_unknown_name_is_told_with_the_nearest(mistake, name, told):
    assert told in mistake("plugins", "show", name)
