"""Verdicts on two systems' figures."""

import numpy as np
import pytest

from toolkit.evaluation.comparison import PairedFigures, compare
from toolkit.evaluation.statistics import bootstrap_interval, holm, wilcoxon

RNG = np.random.default_rng(0)
THERE = RNG.normal(27, 3, 40).tolist()
HERE = [figure + shift for figure, shift in zip(THERE, RNG.normal(0.5, 0.3, 40), strict=True)]
NOISE = [figure + shift for figure, shift in zip(THERE, RNG.normal(0, 0.3, 40), strict=True)]


@pytest.mark.parametrize(
    ("direction", "here", "there", "verdict"),
    [
        ("higher", HERE, THERE, "better"),
        ("higher", THERE, HERE, "worse"),
        ("lower", HERE, THERE, "worse"),
        ("lower", THERE, HERE, "better"),
        ("higher", NOISE, THERE, "no difference shown"),
        ("higher", THERE, THERE, "no difference shown"),
    ],
)
def test_the_verdict_follows_the_direction(direction, here, there, verdict):
    assert compare({"m": PairedFigures(direction, here, there)})["m"].verdict == verdict


def test_figures_are_those_of_the_paired_differences():
    found = compare({"m": PairedFigures("higher", HERE, THERE)})["m"]
    differences = [here - there for here, there in zip(HERE, THERE, strict=True)]
    assert found.count == 40
    assert found.difference == pytest.approx(found.here - found.there)
    assert found.interval == bootstrap_interval(differences)
    assert found.p == found.p_corrected == wilcoxon(differences)
    assert found.level == pytest.approx(0.95)


def test_several_metrics_are_held_to_more():
    alone = compare({"a": PairedFigures("higher", NOISE, THERE)})["a"]
    pairs = {
        "a": PairedFigures("higher", NOISE, THERE),
        "b": PairedFigures("higher", HERE, THERE),
        "c": PairedFigures("lower", THERE, THERE),
    }
    found = compare(pairs)
    assert found["a"].level == pytest.approx(1 - 0.05 / 3)
    low, high = found["a"].interval
    assert low < alone.interval[0]
    assert high > alone.interval[1]
    assert [each.p_corrected for each in found.values()] == holm([x.p for x in found.values()])


def test_equal_figures_differ_by_nothing():
    found = compare({"m": PairedFigures("higher", THERE, THERE)})["m"]
    assert (found.difference, found.interval, found.p) == (0, (0, 0), 1)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_images_show_nothing(count):
    here = [float(figure) for figure in range(10, 10 + count)]
    found = compare({"m": PairedFigures("higher", here, [0.0] * count)})["m"]
    assert found.verdict == "no difference shown"
    assert (found.interval is None) == (count == 1)


def test_one_witness_is_not_enough():
    # One image far off: the ranks see a difference, the mean's interval does not.
    here = [0.1 + place / 100 for place in range(12)] + [-9.0]
    found = compare({"m": PairedFigures("higher", here, [0.0] * 13)})["m"]
    assert found.p < 0.05
    assert found.verdict == "no difference shown"
