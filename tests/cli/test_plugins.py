"""`toolkit plugins`: lists and shows, as tables and as JSON."""

import re

import pytest

from toolkit.component import KINDS
from toolkit.discovery import installed

OURS = installed().components()


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


def test_the_list_has_a_line_of_80_columns_for_every_component(cli):
    components, distributions = cli("plugins", "list", columns=80).out.split("\n\n")
    lines = [line.rstrip() for line in components.splitlines()]
    kinds = [line for line in lines if not line.startswith(" ")]
    assert kinds == [kind for kind in KINDS if installed().components(kind)]
    listed = [tuple(line.split(maxsplit=1)) for line in lines if line.startswith(" ")]
    assert listed == [(each.name, each.summary) for each in OURS]
    assert max(map(len, lines)) <= 80
    assert max(map(len, distributions.splitlines())) <= 80
    for name in {installed().provider(each) for each in OURS}:
        assert re.search(rf"^{name} +\d\S* +works +\w", distributions, re.MULTILINE)


def test_a_third_party_is_named_beside_its_components(cli, faulty):
    lines = cli("plugins", "list", "--kind", "generator").out.splitlines()
    [line] = [line.split() for line in lines if line.startswith("  half ")]
    assert line == ["half", "At", "fault", "faulty-plugin"]
    components, distributions = cli("plugins", "list").out.split("\n\n")
    assert "restoration-toolkit" not in components
    assert re.search(r"^faulty-plugin +1 +works +index", distributions, re.MULTILINE)


@pytest.mark.parametrize("word", ["edges", "EDGES", "restoration-toolkit-losses", "ea-"])
def test_a_word_narrows_the_list(cli, word):
    listed = cli("plugins", "list", word, "--format", "json").document["components"]
    assert {"loss"} == {each["kind"] for each in listed}
    assert "ea-dists" in {each["name"] for each in listed}


def test_a_word_that_nothing_mentions_is_told(cli):
    result = cli("plugins", "list", "nonsense")
    assert (result.code, result.out) == (0, "")
    assert "No component mentions 'nonsense'" in result.err


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
