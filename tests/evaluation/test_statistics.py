"""Intervals and tests, against known values and against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from toolkit.evaluation.statistics import bootstrap_interval, holm, images_needed, mean, wilcoxon


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).normal(27, 3, 40),
        np.random.default_rng(2).lognormal(0, 1, 25),  # skewed: the correction matters
        np.array([1.0, 1.0, 2.0, 5.0, 9.0]),
    ],
    ids=["normal", "skewed", "few"],
)
@pytest.mark.parametrize("level", [0.95, 0.99])
def test_the_interval_is_scipys(values, level):
    ours = bootstrap_interval(values.tolist(), level)
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=level, n_resamples=10_000, method="BCa", rng=3
    ).confidence_interval
    width = theirs.high - theirs.low
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.1 * width)


def test_the_interval_of_a_large_normal_sample_is_the_textbooks():
    values = np.random.default_rng(0).normal(0, 1, 2000)
    half = 1.96 * values.std() / math.sqrt(2000)
    expected = (values.mean() - half, values.mean() + half)
    assert bootstrap_interval(values.tolist()) == pytest.approx(expected, abs=0.003)


def test_about_95_of_100_intervals_hold_the_true_mean():
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(1000):
        low, high = bootstrap_interval(rng.normal(5, 2, 30).tolist(), resamples=1000)
        held += low <= 5 <= high
    assert 0.92 <= held / 1000 <= 0.97


def test_the_interval_is_always_the_same():
    values = np.random.default_rng(4).random(50).tolist()
    assert bootstrap_interval(values) == bootstrap_interval(values)


def test_intervals_of_many_images_need_little_memory():
    low, high = bootstrap_interval([0.0, 1.0] * 10_000, resamples=200)
    assert low < 0.5 < high


def test_intervals_of_next_to_nothing():
    assert bootstrap_interval([]) is None
    assert bootstrap_interval([3.5]) is None
    assert bootstrap_interval([0.1] * 3) == (mean([0.1] * 3),) * 2
    low, high = bootstrap_interval([1.0, 2.0])
    assert 1 <= low < 1.5 < high <= 2
    assert bootstrap_interval([0.0, 1e-200]) == (5e-201, 5e-201)


def test_holm_by_hand():
    # Sorted, times 4 3 2 1: 0.02 0.03 0.06 0.04; and none may be below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_wilcoxon_is_scipys():
    differences = np.random.default_rng(5).normal(0.3, 1, 30).tolist()
    assert wilcoxon(differences) == stats.wilcoxon(differences).pvalue


@pytest.mark.parametrize(
    ("differences", "p"),
    [([0.0] * 8, 1), ([1.0], 1), ([1.0, -1.0], 1), ([1, 2, 3, 4, 5, 6, 7], 2 / 128), ([], 1)],
)
def test_wilcoxon_of_known_samples(differences, p):
    assert wilcoxon(differences) == pytest.approx(p)


@pytest.mark.parametrize("tests", range(1, 12))
def test_with_fewer_images_nothing_can_be_shown(tests):
    needed = images_needed(tests)
    least = [wilcoxon(list(range(1, count + 1))) for count in (needed - 1, needed)]
    assert least[0] * tests >= 0.05 > least[1] * tests


@pytest.mark.parametrize("count", [25, 300])  # 300: drawn in four chunks, the last of one sample
def test_the_interval_of_the_same_resamples_is_scipys_to_the_last_digits(count):
    values = np.random.default_rng(2).lognormal(0, 1, count)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert bootstrap_interval(values.tolist()) == pytest.approx(tuple(theirs), rel=1e-12)


def test_resamples_that_equal_the_sample_count_half():
    values = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 7.0, 7.5])
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    assert bootstrap_interval(values.tolist()) == pytest.approx(tuple(theirs), rel=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sample_outside_of_all_its_resamples_has_an_interval(sign):
    low, high = bootstrap_interval([sign * 1.0, sign * 2.0, sign * 9.0], resamples=1)
    assert 1 <= sign * low <= 9
    assert low == high


def test_a_p_value_is_never_above_1_however_many_there_are():
    assert holm([0.4, 0.5, 1.0]) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize("unit", [1e-12, 1e15])
def test_an_interval_is_the_same_in_any_unit(unit):
    values = np.random.default_rng(2).lognormal(0, 1, 25)
    expected = [unit * end for end in bootstrap_interval(values.tolist())]
    assert bootstrap_interval((unit * values).tolist()) == pytest.approx(expected, rel=1e-9, abs=0)


def test_the_interval_of_a_sample_below_all_its_resamples_is_the_mirrored_one_of_its_mirror():
    values = [4.0, 9.0, 0.0, 0.0, 0.0]  # of mean 2.6; its two resamples have 3.6 and 3.2
    low, high = bootstrap_interval(values, level=0.5, resamples=2)
    assert 3.2 < low < high < 3.6
    mirrored = bootstrap_interval([-value for value in values], level=0.5, resamples=2)
    assert mirrored == pytest.approx((-high, -low), rel=1e-12)
