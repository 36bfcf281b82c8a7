"""Estimates with crossed random effects, against textbook formulas and simulation."""

import numpy as np
import pytest
from scipy import stats

from toolkit.tables.inference import (
    detectable_difference,
    estimate_difference,
    estimate_mean,
    mean_squares,
    p_of_difference,
)


def simulated(rng, *, seeds=0.0, photographs=0.0, rest=1.0, shape=(4000, 4, 15)):
    tables, seed_count, photograph_count = shape
    return (
        seeds * rng.standard_normal((tables, seed_count, 1))
        + photographs * rng.standard_normal((tables, 1, photograph_count))
        + rest * rng.standard_normal(shape)
    )


def test_the_mean_squares_are_those_of_the_analysis_of_variance():
    figures = np.array([[1.0, 2.0, 6.0], [2.0, 5.0, 8.0]])
    found = mean_squares(figures)
    assert found.mean == 4
    assert found.seeds == pytest.approx(6.0)  # 3 * (1 + 1) / 1
    assert found.photographs == pytest.approx(2 * (2.5**2 + 0.5**2 + 3**2) / 2)
    total = np.square(figures - 4).sum()
    assert found.rest == pytest.approx((total - 6 - 2 * found.photographs) / 2)


def test_the_error_is_that_of_the_mean():
    figures = simulated(np.random.default_rng(0), seeds=0.7, photographs=1.5)
    found = estimate_mean(figures)
    assert np.square(found.error).mean() == pytest.approx(found.mean.var(), rel=0.06)
    covered = np.abs(found.mean) < found.half_width(0.95)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)


def test_the_error_is_that_of_a_mixed_model():
    """Of statsmodels 0.14: MixedLM with variance components of seeds and photographs, by REML."""
    rng = np.random.default_rng(3)
    of_seed, of_photograph = (scale * rng.standard_normal(shape) for scale, shape in
                              ((0.3, (5, 1)), (0.5, (1, 20))))  # fmt: skip
    found = estimate_mean(of_seed + of_photograph + 0.4 * rng.standard_normal((5, 20)) + 0.2)
    assert float(found.mean) == pytest.approx(0.1235628)
    assert float(found.error) == pytest.approx(0.2621494, rel=1e-3)


def test_with_one_seed_it_is_the_t_test():
    differences = np.random.default_rng(1).normal(0.3, 1, (1, 12))
    for found in (estimate_mean(differences), estimate_difference(differences)):
        theirs = stats.ttest_1samp(differences[0], 0)
        assert float(found.p()) == pytest.approx(theirs.pvalue)
        interval = theirs.confidence_interval(0.99)
        assert float(found.half_width(0.99)) == pytest.approx((interval.high - interval.low) / 2)


def test_with_seeds_alone_it_is_the_t_test_of_the_seeds():
    seeds = np.array([[0.1], [0.4], [0.2], [0.5]])
    found = estimate_difference(seeds + np.zeros((4, 30)))
    assert float(found.df) == 3
    assert float(found.p()) == pytest.approx(stats.ttest_1samp(seeds[:, 0], 0).pvalue)


def test_no_component_makes_the_error_smaller():
    figures = simulated(np.random.default_rng(2), rest=3.0, shape=(500, 4, 15))
    found, error = mean_squares(figures), estimate_mean(figures).error
    assert (error**2 * 60 >= np.maximum(found.seeds, found.photographs) - 1e-9).all()


def test_the_seeds_of_all_rows_count_if_they_scatter_more():
    rng = np.random.default_rng(3)
    rows = 0.01 * rng.standard_normal((4, 3, 20))
    apart = rows[0] - rows[1]
    alone = estimate_difference(apart)
    rows[2:] += rng.standard_normal((2, 3, 1))
    found = estimate_difference(apart, rows)
    assert (float(alone.df), float(found.df)) == (2, 6)
    assert found.error > 10 * alone.error
    rows[2:] = rows[0]
    assert estimate_difference(apart, rows).error == pytest.approx(alone.error)


def test_of_two_rows_the_table_knows_no_more_than_they_do():
    rows = np.random.default_rng(4).standard_normal((2, 3, 20))
    alone, found = (estimate_difference(rows[0] - rows[1], each) for each in (None, rows))
    assert found.error == pytest.approx(alone.error)
    assert found.df == alone.df


def test_photographs_alone_take_the_signed_rank_test_too():
    skewed = np.array([[[0.1] * 6 + [0.2, 0.3, 0.11, -0.05]]])
    found = estimate_difference(skewed)
    signed = stats.wilcoxon(skewed[0, 0]).pvalue
    assert p_of_difference(skewed, found)[0] == pytest.approx(max(signed, found.p()[0]))
    none = np.zeros((1, 1, 10))
    assert p_of_difference(none, estimate_difference(none)) == 1


@pytest.mark.parametrize(("df", "level"), [(2, 0.95), (4, 1 - 0.05 / 12), (19, 0.999)])
def test_a_detectable_difference_is_shown_in_four_of_five_tables(df, level):
    true = detectable_difference(0.5, df, level)
    rng = np.random.default_rng(5)
    errors = 0.5 * np.sqrt(rng.chisquare(df, 100_000) / df)
    t = (true + 0.5 * rng.standard_normal(100_000)) / errors
    assert (t > stats.t.isf((1 - level) / 2, df)).mean() == pytest.approx(0.8, abs=0.01)


def test_a_difference_without_error_is_detected_whatever_its_size():
    assert detectable_difference(0.0, 4, 0.95) == 0
