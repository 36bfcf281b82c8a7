"""Curves and axes of plots."""

import math

import pytest

from toolkit.reporting.axes import Axis, value_axis, written
from toolkit.reporting.curves import layers_of, smoothed, thinned, usual_ends


def test_a_point_stands_for_the_mean_and_the_ends_of_several_steps():
    few = thinned([(step, float(step % 10)) for step in range(1, 1201)])
    assert len(few) == 120
    assert few[0] == (10, 4.5, 0, 9)
    assert few[-1].step == 1200


def test_a_short_curve_is_kept_and_what_is_not_finite_is_left_out():
    points = [(1, 0.5), (2, math.nan), (3, -math.inf), (4, 0.25)]
    assert [(p.step, p.mean) for p in thinned(points)] == [(1, 0.5), (4, 0.25)]
    assert thinned([(1, math.nan)]) == []
    large = thinned([(step, 1.5e308) for step in range(1000)])
    assert large[0].mean == pytest.approx(1.5e308)


def test_smoothing_keeps_a_level_and_calms_noise():
    few = thinned([(step, 1.0 + 0.5 * (-1) ** step) for step in range(100)])
    calm = smoothed(few)
    assert [p.step for p in calm] == [p.step for p in few]
    assert all(abs(p.mean - 1) < 0.2 for p in calm)
    assert smoothed(few[:5]) == few[:5]


def test_outliers_do_not_decide_what_is_shown():
    values = [1.0] * 99 + [1e6]
    assert usual_ends(thinned(list(enumerate(values)))) == (1, 1)
    assert usual_ends(thinned([(1, 3.0)])) == (3, 3)


def test_layers_are_thinned_together_and_what_lacks_is_nothing():
    records = [(step, {"a": 1.0, **({"b": 2.0} if step % 2 else {})}) for step in range(1000)]
    steps, layers = layers_of(records)
    assert len(steps) == len(layers["a"]) == len(layers["b"]) <= 130
    assert steps[-1] == 999
    assert set(layers["a"]) == {1}
    assert layers["b"][0] == 1
    assert layers_of([]) == ([], {})


@pytest.mark.parametrize(
    ("values", "logarithmic"),
    [([0.01, 1], True), ([0.1, 1], False), ([0, 1], False), ([-1, 1000], False)],
)
def test_values_far_apart_get_a_logarithmic_scale(values, logarithmic):
    axis = value_axis(values, 0, 100)
    assert axis.logarithmic == logarithmic
    assert (axis.place(min(values)), axis.place(max(values))) == (0, 100)
    assert not value_axis(values, 0, 100, zero=True).logarithmic


@pytest.mark.parametrize("value", [0.0, 1.0, -2.5, 1e-12, 3e9])
def test_equal_values_are_placed_inside(value):
    for zero in (False, True):
        axis = value_axis([value, value], 100, 0, zero=zero)
        assert 0 <= axis.place(value) <= 100
        assert all(math.isfinite(tick) for tick in axis.ticks())


@pytest.mark.parametrize("low", [-3.0, 0.0, 1e-9, 5e5])
@pytest.mark.parametrize("width", [1e-6, 0.7, 1.0, 3.3, 9e9])
def test_ticks_are_few_round_and_inside(low, width):
    axis = Axis(low, low + width, 0, 1)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6
    assert all(-1e-6 <= axis.place(tick) <= 1 + 1e-6 for tick in ticks)


@pytest.mark.parametrize(("low", "high"), [(0.02, 3), (1, 40), (1e-8, 1e8), (0.5, 0.9)])
def test_ticks_of_a_logarithmic_axis(low, high):
    ticks = Axis(low, high, 0, 1, logarithmic=True).ticks()
    assert ticks == sorted(ticks)
    assert len(ticks) <= 7
    assert all(low <= tick <= high for tick in ticks)


def test_what_lies_beyond_is_placed_at_the_end():
    axis = Axis(1, 2, 100, 0)
    assert (axis.clipped(0), axis.clipped(1.5), axis.clipped(9)) == (100, 50, 0)


@pytest.mark.parametrize(("value", "told"), [(-0.5, "-0.5"), (12_345, "12.35k"), (2e9, "2G")])
def test_numbers_are_written_briefly(value, told):
    assert written(value) == told
