"""Sizes of results."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import ImageError, UsageError
from toolkit.restoring import sizes
from toolkit.restoring.sizes import Size

SIDES = st.integers(1, 5000)


def test_nothing_asked_for_is_the_restorers_scale():
    assert Size().of(30, 50, 4) == (120, 200)
    assert Size().mark == ""


@pytest.mark.parametrize(
    ("size", "wanted", "mark"),
    [
        (Size(scale=1), (300, 500), "_x1"),
        (Size(scale=2.5), (750, 1250), "_x2.5"),
        (Size(width=777), (466, 777), "_777x"),
        (Size(height=100), (100, 167), "_x100"),
        (Size(width=1000, height=300), (300, 500), "_1000x300"),
        (Size(width=1000, height=3000), (600, 1000), "_1000x3000"),
        (Size(max_side=800), (480, 800), "_max800"),
        (Size(scale=1, max_side=800), (300, 500), "_x1_max800"),
        (Size(scale=3, max_side=800), (480, 800), "_x3_max800"),
        (Size(max_side=9000), (1200, 2000), "_max9000"),
    ],
)
def test_what_is_asked_for(size, wanted, mark):
    assert size.of(300, 500, 4) == wanted
    assert size.mark == mark


@given(SIDES, SIDES, SIDES)
def test_a_named_width_is_met_exactly(height, width, asked):
    if asked <= 4 * width:
        assert Size(width=asked).of(height, width, 4)[1] == asked


@given(SIDES, SIDES, st.integers(1, 20000))
def test_a_limit_is_kept(height, width, limit):
    assert 1 <= max(Size(max_side=limit).of(height, width, 4)) <= limit


def test_more_than_the_restorer_can():
    with pytest.raises(ImageError, match=r"500x300 pixels would be enlarged 4\.2 times") as told:
        Size(width=2100).of(300, 500, 4)
    assert told.value.hint == "Use --width 2000, or less"
    assert Size(width=2000).of(300, 500, 4) == (1200, 2000)
    with pytest.raises(UsageError, match="toy enlarges 4 times at most") as told:
        Size(scale=4.5).check(4, "toy")
    assert "--scale 4," in told.value.hint


@pytest.mark.parametrize("name", ["scale", "width", "height", "max_side"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_what_is_no_size(name, value):
    with pytest.raises(UsageError, match=rf"--{name.replace('_', '-')} {value} is no size"):
        Size(**{name: value}).check(4, "toy")


def test_contradictions():
    with pytest.raises(UsageError, match="contradict"):
        Size(scale=2, width=100).check(4, "toy")
    Size(width=100, height=100, max_side=50).check(4, "toy")


def test_examples_run():
    assert doctest.testmod(sizes).failed == 0
