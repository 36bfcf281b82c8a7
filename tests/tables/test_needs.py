"""What is said of names that no plugin supplies: how to get it, or that it is misspelled."""

import pytest

from toolkit import suppliers
from toolkit.component import Component
from toolkit.discovery import installed
from toolkit.errors import DataError, OptionsError, UnknownComponentError
from toolkit.registry import Notice, Registry
from toolkit.specs import Selection
from toolkit.tables import needs
from toolkit.tables.needs import absent, dataset_lacks, restorer_lacks, training_lacks


@pytest.fixture
def bare():
    """A registry of one restorer, `bicubic`."""
    registry = Registry()
    registry.add("some", [Component(kind="restorer", name="bicubic", summary="", build=dict)])
    return registry


@pytest.fixture
def without(monkeypatch):
    """As if distributions were not installed."""

    def take_away(*names):
        there = suppliers.is_installed
        for module in (suppliers, needs):
            monkeypatch.setattr(module, "is_installed", lambda n: n not in names and there(n))

    return take_away


def test_what_a_distribution_of_its_own_supplies_is_told_with_it(bare, without):
    without("restoration-toolkit-pyiqa")
    lacks = absent("metric", Selection(use="musiq"), bare)
    way = "It comes with: pip install restoration-toolkit-pyiqa."
    assert lacks.needs == [f"The metric 'musiq' is not installed. {way}"]
    assert lacks.faults == []
    with pytest.raises(UnknownComponentError) as told:
        bare.find("metric", "musiq")
    assert told.value.hint.startswith(f"{way} Known: none is installed.")


def test_what_is_apart_supplies_what_is_said_of_it():
    registry = installed()
    usual = {"restoration-toolkit", *suppliers.usual_parts()}
    found = {}
    for each in registry.components():
        provider = registry.provider(each)
        if provider.startswith("restoration-toolkit") and provider not in usual:
            found.setdefault(provider, []).append(f"{each.kind}/{each.name}")
    assert found == {name: list(supplied) for name, supplied in suppliers.APART.items()}


def test_a_plugin_that_is_there_and_not_loaded_is_not_to_be_installed(bare):
    bare.notices.append(Notice("restoration-toolkit-pyiqa", "it failed to load"))
    [fault] = absent("metric", Selection(use="musiq"), bare).faults
    assert "its plugin restoration-toolkit-pyiqa is there, but not loaded" in fault
    assert "The plugin restoration-toolkit-pyiqa is set aside" in fault
    assert "pip install" not in fault


def test_what_is_left_out_on_purpose_is_not_said_to_be_missing(bare, monkeypatch):
    monkeypatch.setenv("TOOLKIT_PLUGINS", "some")
    [need] = absent("loss", Selection(use="ea-dists"), bare).needs
    assert need.endswith("or its plugin is not loaded. TOOLKIT_PLUGINS leaves plugins out.")


def test_where_parts_of_the_toolkit_are_lacking_they_are_named(bare, without):
    without("restoration-toolkit-losses")
    for kind, name in (("loss", "ea-dists"), ("loss", "charbonnier")):
        lacks = absent(kind, Selection(use=name), bare)
        assert lacks.needs == [
            f"The {kind} {name!r} is not installed. Parts of the toolkit are lacking: "
            "pip install restoration-toolkit-losses."
        ]
    assert absent("restorer", Selection(use="bicubbic"), bare).faults  # a slip all the same


@pytest.mark.parametrize(
    ("kind", "name"),
    [("restorer", "stablesr"), ("dataset", "authors-200k-hq"), ("loss", "ea-lpips")],
)
def test_what_the_papers_tables_name_is_written_correctly(bare, kind, name):
    lacks = absent(kind, Selection(use=name), bare)
    told = f"The {kind} {name!r} is not installed, and no plugin of the toolkit's supplies it."
    assert (lacks.needs, lacks.faults) == ([told], [])


@pytest.mark.parametrize(
    ("name", "meant"), [("bicubbic", " Did you mean 'bicubic'?"), ("my-own", "")]
)
def test_any_other_name_is_a_fault(bare, name, meant):
    lacks = absent("restorer", Selection(use=name), bare)
    told = f"There is no restorer named {name!r}.{meant} Those that there are: toolkit plugins list"
    assert (lacks.needs, lacks.faults) == ([], [f"{told} --kind restorer"])


def made_by(build):
    registry = Registry()
    registry.add("my-plugin", [Component(kind="restorer", name="own", summary="", build=build)])
    return restorer_lacks(Selection(use="own"), registry)


def raising(error):
    def build(_options, _context):
        raise error

    return build


def test_a_component_at_fault_is_no_need():
    [fault] = made_by(raising(ValueError("out of order"))).faults
    assert "The restorer 'own' of my-plugin failed with ValueError: out of order." in fault
    lacks = made_by(raising(DataError("It is not here.", "Fetch it")))
    assert (lacks.needs, lacks.faults) == (["It is not here.\nFetch it"], [])
    with pytest.raises(OptionsError):
        made_by(raising(OptionsError("No such width.")))


def test_all_that_a_trained_row_lacks_is_told_at_once():
    recipe = {
        "backbone": "pocket",
        "gen": "one-step",
        "disc": "nab",
        "loss": "ea-dist",
        "data": "fotos",
    }
    lacks = training_lacks(recipe, installed(), accelerator=False)
    assert lacks.needs == []
    assert [fault.partition(" Those")[0] for fault in lacks.faults] == [
        "There is no discriminator named 'nab'.",
        "There is no loss named 'ea-dist'. Did you mean 'ea-dists'?",
        "There is no dataset named 'fotos'.",
    ]
    assert not dataset_lacks("photos:heldout", installed())
