"""A variant's name alone, and components that are said like a variant."""

from types import SimpleNamespace
from typing import Literal

import pytest

import toolkit
from toolkit.component import Component, Options
from toolkit.errors import OptionsError, UnknownComponentError
from toolkit.registry import Registry
from toolkit.specs import Selection


def loss(given):
    """As little as a loss may have, and what it was built of."""
    return SimpleNamespace(given=given, __call__=None, to=None)


class Widths(Options):
    width: int = 4
    mode: str = "plain"


class Tastes(Options):
    taste: Literal["sweet", "sour", "bare", "wide"] = "sweet"


class Flavours(Options):
    flavour: Literal["salty", "sour"] = "salty"


def component(name, kind="loss", **fields):
    return Component(kind=kind, name=name, summary="", **{"build": lambda o, _: o, **fields})


@pytest.fixture
def tasty():
    """Variants of names of their own, of two components, and of a component's own name."""
    registry = Registry()
    wide = component("wide", options=Widths, variant="mode")
    dish = component(
        "dish", options=Tastes, variant="taste", build=lambda o, _: loss(("dish", o.taste))
    )
    soup = component(
        "soup", options=Flavours, variant="flavour", build=lambda o, _: loss(o.flavour)
    )
    registry.add("two", [dish, soup, wide, component("salt+fat"), component("bare")])
    registry.add("three", [component(name, "discriminator") for name in ("nad", "sweet")])
    return registry


@pytest.mark.parametrize(
    ("use", "meant"),
    [
        ("sweet", "dish:sweet"),
        ("salty", "soup:salty"),
        ("dish", "dish"),
        ("dish:sour", "dish:sour"),
        ("dish:salt+fat", "salt+fat"),
        ("dish:soup", "soup"),
        ("soup:wide", "wide"),
        ("dish:wide", "dish:wide"),  # its own variant comes first
        ("wide", "wide"),  # and so does a component's own name
        ("bare", "bare"),
        ("sour", "sour"),  # of two components
        ("dish:bitter", "dish:bitter"),
        ("wide:bare", "wide:bare"),  # lists no variants
        ("bare:wide", "bare:wide"),  # has none
        ("salt+fat", "salt+fat"),
        ("sweet:more", "sweet:more"),
        ("nad", "nad"),  # of another kind
    ],
)
def test_what_a_name_stands_for(tasty, use, meant):
    selection = Selection(use=use, options={"width": 3})
    assert tasty.expand("loss", selection) == Selection(use=meant, options={"width": 3})


def test_a_variant_alone_is_made(tasty):
    assert tasty.make("loss", Selection(use="sweet")).given == ("dish", "sweet")
    assert tasty.make("loss", Selection(use="dish:sour")).given == ("dish", "sour")
    assert tasty.make("loss", Selection(use="dish:soup")).given == "salty"
    assert tasty.options("loss", Selection(use="salty")).flavour == "salty"


def test_a_variant_of_several_components_stays_unknown(tasty):
    with pytest.raises(UnknownComponentError, match="no loss named 'sour'") as told:
        tasty.make("loss", Selection(use="sour"))
    assert "bare, dish, salt+fat, soup, wide" in told.value.hint
    with pytest.raises(OptionsError, match="'taste' is 'bitter'"):
        tasty.options("loss", Selection(use="dish:bitter"))


def test_the_shipped_degradations_go_by_their_variants():
    alone, whole = (
        toolkit.make("degradation", name) for name in ("stablesr", "realesrgan:stablesr")
    )
    assert alone.describe(0, 3) == whole.describe(0, 3)
    assert alone.describe(0, 3) != toolkit.make("degradation", "realesrgan").describe(0, 3)
    shuffled = toolkit.make("degradation", "realesrgan:bsrgan", scale=2)
    assert shuffled.scale == 2
    assert shuffled.describe(0, 3) == toolkit.make("degradation", "bsrgan", scale=2).describe(0, 3)
    assert (
        toolkit.make("degradation", "realesrgan:bicubic+noise").describe(0, 0)[1]["step"]
        == "gaussian"
    )
    with pytest.raises(UnknownComponentError, match=r"'realesrgn'\. Did you mean 'realesrgan'"):
        toolkit.make("degradation", "realesrgn")
