"""Differences between rows: over trainings and photographs, in two families of tests."""

import random

import pytest

from toolkit.tables.comparison import differences, turned
from toolkit.tables.inference import detectable_difference

IMAGES = [f"{number}.png" for number in range(20)]


def figures(level, spread=0.01, seeds=4, start=0, shifts=()):
    """Of each seed, figures that scatter around a level, with a shift of each seed."""
    made = {}
    for seed in range(seeds):
        rng = random.Random(100 * start + seed)
        shift = shifts[seed] if shifts else 0.0
        made[seed] = {name: level + shift + rng.gauss(0, spread) for name in IMAGES}
    return made


def untrained(level, start=9):
    return {None: figures(level, seeds=1, start=start)[0]}


def compare(rows, claimed=(), more_tests=0, direction="lower"):
    rows = {label: {"dists": each} for label, each in rows.items()}
    return differences({"heldout": rows}, {"dists": direction}, claimed, more_tests)


def test_a_clear_difference_is_shown_in_the_metrics_direction():
    rows = {"new": figures(0.2), "old": figures(0.3, start=1)}
    [found] = compare(rows)
    assert (found.verdict, found.unit) == ("better", "trainings and photographs")
    assert found.difference.difference == pytest.approx(-0.1, abs=0.01)
    assert found.difference.interval[0] < -0.1 < found.difference.interval[1] < 0
    assert compare(rows, direction="higher")[0].verdict == "worse"


def test_a_difference_of_which_trainings_are_unsure_is_not_shown():
    new = figures(0.2, shifts=(0.0, 0.06, 0.02, 0.09))
    [found] = compare({"new": new, "old": figures(0.3, start=1)})
    assert max(found.seeds) < 0
    assert found.verdict == "no difference shown"


def test_with_one_training_there_is_no_verdict():
    new, old = figures(0.2, seeds=1), figures(0.3, seeds=1, start=1)
    for rows in ({"new": new, "old": old}, {"new": new, "old": untrained(0.3)}):
        [found] = compare(rows, claimed=[("new", "old", "dists")])
        assert (found.verdict, found.unit, found.family, found.detectable) == (
            "one training",
            "photographs",
            "exploration",
            None,
        )
        assert found.difference.verdict == "better"  # of these weights


def test_of_systems_that_are_not_trained_photographs_are_the_unit():
    [found] = compare({"new": untrained(0.2), "old": untrained(0.3, start=8)})
    assert (found.verdict, found.unit, found.df) == ("better", "photographs", 19)


def test_a_trained_row_against_one_that_is_not_has_the_seeds_of_the_trained_one():
    [found] = compare({"new": figures(0.2), "old": untrained(0.3)})
    assert (found.unit, len(found.seeds), found.df) == ("trainings and photographs", 4, 3)


def test_seeds_are_paired_by_their_number():
    shifts = (0.0, 0.05, -0.05, 0.02)
    new = figures(0.2, shifts=shifts)
    old = figures(0.21, start=1, shifts=shifts)
    backwards = dict(reversed(old.items()))
    [found] = compare({"new": new, "old": backwards})
    assert found.verdict == "better"
    del old[2]
    [fewer] = compare({"new": new, "old": old})
    assert len(fewer.seeds) == 3
    assert compare({"new": figures(0.2, seeds=1), "old": {7: old[1]}}) == []


def test_all_trained_rows_tell_how_much_seeds_scatter():
    alike = {"new": figures(0.2), "old": figures(0.205, start=1)}
    [alone] = compare(alike)
    unsteady = figures(0.3, start=2, shifts=(0.0, 0.1, -0.1, 0.05))
    found = compare({**alike, "other": unsteady})[0]
    assert (alone.df, found.df) == (3, 6)
    assert found.error > 3 * alone.error
    assert found.verdict == "no difference shown"


def test_claims_and_all_other_differences_are_corrected_apart():
    rows = {name: figures(0.2, start=k) for k, name in enumerate("abcde")}
    found = compare(rows, claimed=[("b", "a", "dists"), ("d", "c", "dists")], more_tests=1)
    levels = {
        family: {each.difference.level for each in found if each.family == family}
        for family in ("claims", "exploration")
    }
    assert levels == {"claims": {1 - 0.05 / 3}, "exploration": {1 - 0.05 / 8}}
    claims = [each.difference for each in found if each.family == "claims"]
    least = min(claims, key=lambda each: each.p)
    assert least.p_corrected == pytest.approx(min(1, 3 * least.p))


def test_only_photographs_that_all_seeds_have_are_compared():
    new = figures(0.2)
    del new[1][IMAGES[0]]
    [found] = compare({"new": new, "old": figures(0.3, start=1)})
    assert found.difference.count == 19


def test_datasets_are_apart_and_share_their_correction():
    rows = {"new": {"dists": figures(0.2)}, "old": {"dists": figures(0.3, start=1)}}
    found = differences({"one": rows, "two": rows}, {"dists": "lower"})
    assert [each.dataset for each in found] == ["one", "two"]
    assert {each.difference.level for each in found} == {1 - 0.05 / 2}


def test_one_photograph_shows_nothing():
    rows = {"new": {0: {"a": 1.0}, 1: {"a": 1.1}}, "old": {0: {"a": 5.0}, 1: {"a": 5.1}}}
    [found] = compare(rows)
    assert found.difference.interval is None
    assert (found.verdict, found.df, found.detectable) == ("no difference shown", None, None)


def test_equal_rows_do_not_differ():
    [found] = compare({"new": figures(0.2), "old": figures(0.2)})
    assert (found.difference.difference, found.difference.p) == (0, 1)
    assert found.verdict == "no difference shown"


def test_a_difference_is_read_from_either_side():
    [found] = compare({"new": figures(0.2), "old": figures(0.3, start=1)})
    [other] = compare({"old": figures(0.3, start=1), "new": figures(0.2)})
    other = turned(other)
    assert (other.here, other.verdict) == ("new", "better")
    assert other.difference.interval == pytest.approx(found.difference.interval)
    assert turned(turned(found)) == found


def test_the_effect_is_the_mean_in_deviations_of_photographs():
    new = {None: {"a": 1.0, "b": 2.0, "c": 3.0}}
    old = {None: {"a": 0.0, "b": 0.0, "c": 0.0}}
    [found] = compare({"new": new, "old": old})
    assert found.effect == pytest.approx(2.0)


def test_what_could_have_been_detected_is_that_of_the_corrected_level():
    rows = {"a": figures(0.2), "b": figures(0.3, start=1), "c": untrained(0.3)}
    for each in compare(rows, claimed=[("a", "b", "dists")]):
        expected = detectable_difference(each.error, each.df, each.difference.level)
        assert each.detectable == pytest.approx(expected)


def test_nothing_can_be_detected_with_so_few_photographs():
    rows = {
        name: {None: dict(list(untrained(level, start)[None].items())[:5])}
        for name, level, start in (("a", 0.2, 1), ("b", 0.3, 2))
    }
    [found] = compare(rows)
    assert (found.verdict, found.detectable) == ("no difference shown", None)
    assert compare({"a": untrained(0.2, 1), "b": untrained(0.3, 2)})[0].detectable > 0
