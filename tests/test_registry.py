"""The registry: components by kind and name, their options, and what builds them."""

from types import SimpleNamespace

import pytest
from pydantic import Field

from toolkit.component import Component, Context, Options
from toolkit.errors import OptionsError, UnknownComponentError
from toolkit.registry import PluginError, Registry
from toolkit.specs import Selection


class Reserved(Options):
    use: int = 1


class Widths(Options):
    width: int = Field(default=4, ge=1)
    mode: str = "plain"


def loss(given):
    """As little as a loss may have, and what it was built of."""
    return SimpleNamespace(given=given, __call__=None, to=None)


def component(name="soft", kind="loss", **fields):
    fields = {"summary": "", "build": lambda options, _context: options, **fields}
    return Component(kind=kind, name=name, **fields)


def test_a_name_may_be_used_once_in_every_kind():
    registry = Registry()
    registry.add("one", [component("a", "loss"), component("a", "metric")])
    assert [found.kind for found in registry.components()] == ["loss", "metric"]
    assert [found.kind for found in registry.components("metric")] == ["metric"]


@pytest.mark.parametrize(
    "name", ["a", "ea-dists", "psnr-y", "sd2.1", "x4", "1st", "a+b", "a+b-c+d"]
)
def test_well_formed_names(name):
    Registry().add("one", [component(name)])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "a_b",
        "-a",
        "a-",
        "a--b",
        "a:b",
        "a/b",
        "a b",
        "ä",
        "a\n",
        "+a",
        "a+",
        "a++b",
        "a+-b",
    ],
)
def test_ill_formed_names(name):
    with pytest.raises(PluginError, match="not a valid component name"):
        Registry().add("one", [component(name)])


def test_an_option_that_a_recipe_could_not_hold_is_refused():
    with pytest.raises(PluginError, match="'use'"):
        Registry().add("one", [component(options=Reserved)])


def test_components_are_ordered_by_kind_and_name():
    registry = Registry()
    registry.add("one", [component("b"), component("z", "generator"), component("a")])
    assert [found.name for found in registry.components()] == ["z", "a", "b"]


@pytest.fixture
def registry():
    made = Registry()
    wide = component(
        "wide", options=Widths, variant="mode", build=lambda o, _: loss((o.width, o.mode))
    )
    made.add("one", [wide, component("bare"), component("nad", "discriminator")])
    return made


def test_the_nearest_name_is_suggested(registry):
    with pytest.raises(
        UnknownComponentError, match=r"named 'wyde'\. Did you mean 'wide'\?"
    ) as told:
        registry.find("loss", "wyde")
    assert "Known: bare, wide." in told.value.hint
    with pytest.raises(UnknownComponentError, match=r"no loss named 'nad'\.$"):
        registry.find("loss", "nad")
    with pytest.raises(UnknownComponentError) as told:
        registry.find("metric", "psnr")
    assert "none is installed" in told.value.hint


@pytest.mark.parametrize(
    ("use", "options", "made"),
    [
        ("wide", {}, (4, "plain")),
        ("wide:soft", {}, (4, "soft")),
        ("wide:soft", {"width": 2}, (2, "soft")),
        ("wide:soft", {"mode": "hard"}, (4, "hard")),
    ],
)
def test_make_validates_options_and_variant(registry, use, options, made):
    assert registry.make("loss", Selection(use=use, options=options)).given == made


@pytest.mark.parametrize(
    ("use", "options", "message"),
    [
        ("wide", {"widht": 2}, r"loss 'wide': unknown option 'widht' \(did you mean 'width'\?\)"),
        ("wide", {"qq": 2}, r"unknown option 'qq'\."),
        ("wide", {"width": "big"}, r"option 'width' is 'big': input should be a valid integer"),
        ("wide", {"width": 0}, r"option 'width' is 0: input should be greater than or equal to 1"),
        ("wide", {"width": 0, "qq": 1}, r"'width' is 0.*; unknown option 'qq'"),
        ("bare:soft", {}, "'bare' has no variants: 'bare:soft' is not valid"),
    ],
)
def test_wrong_options_are_named(registry, use, options, message):
    with pytest.raises(OptionsError, match=message) as told:
        registry.options("loss", Selection(use=use, options=options))
    assert told.value.exit_code == 2
    assert told.value.hint


def test_a_sharing_registry_makes_each_selection_once():
    registry = Registry()
    registry.add("someone", [component(options=Widths, build=lambda o, _: loss(o))])
    shared = registry.sharing()
    wide = Selection(use="soft", options={"width": 8})
    assert shared.make("loss", wide) is shared.make("loss", wide.model_copy(deep=True))
    assert shared.make("loss", wide) is not shared.make("loss", Selection(use="soft"))
    assert registry.make("loss", wide) is not registry.make("loss", wide)
    assert shared.components() == registry.components()


def test_what_a_component_makes_comes_from_the_same_registry_and_context():
    registry = Registry()
    outer = component("outer", build=lambda _, context: loss(context.make("loss", "soft", width=8)))
    inner = component(options=Widths, build=lambda o, context: loss((o.width, context)))
    registry.add("someone", [outer, inner])
    shared = registry.sharing()
    context = Context(shared, Selection(use="wide"), read_weights=False)
    made = shared.make("loss", Selection(use="outer"), context).given
    assert made.given == (8, context)
    assert made is shared.make("loss", Selection(use="soft", options={"width": 8}), context)
    assert made is not shared.make("loss", Selection(use="soft", options={"width": 8}))
