"""Differences between rows, and what they make of a claim."""

import random

import pytest

from toolkit.tables.comparison import decide, differences
from toolkit.tables.spec import Claim

IMAGES = [f"{number}.png" for number in range(20)]
CLAIM = Claim(claim="New beats old", better="new", than="old")


def figures(level, spread=0.01, seeds=2, start=0):
    """Of each seed, figures that scatter around a level."""
    made = []
    for seed in range(seeds):
        rng = random.Random(100 * start + seed)
        made.append({name: level + rng.gauss(0, spread) for name in IMAGES})
    return made


def outcome(new, old, direction="lower"):
    found = differences({"new": {"dists": new}, "old": {"dists": old}}, {"dists": direction})
    [decided] = decide([CLAIM], found)
    return decided


def test_a_clear_difference_reproduces_a_claim():
    decided = outcome(figures(0.2), figures(0.3, start=1))
    assert (decided.outcome, decided.by_metric) == ("reproduced", {"dists": "better"})


def test_the_other_way_round_contradicts_it():
    assert outcome(figures(0.3), figures(0.2, start=1)).outcome == "contradicted"
    assert outcome(figures(0.2), figures(0.3, start=1), "higher").outcome == "contradicted"


def test_no_difference_decides_nothing():
    assert outcome(figures(0.2, 0.05), figures(0.2, 0.05, start=1)).outcome == "undecided"


def test_metrics_that_disagree_decide_nothing():
    rows = {
        "new": {"dists": figures(0.2), "psnr": figures(20, 0.1, start=2)},
        "old": {"dists": figures(0.3, start=1), "psnr": figures(25, 0.1, start=3)},
    }
    found = differences(rows, {"dists": "lower", "psnr": "higher"})
    [decided] = decide([CLAIM], found)
    assert decided.by_metric == {"dists": "better", "psnr": "worse"}
    assert decided.outcome == "undecided"


def test_seeds_that_disagree_show_no_difference():
    good, bad = figures(0.2, seeds=1), figures(0.32, seeds=1, start=5)
    old = figures(0.3, seeds=2, start=1)
    found = differences(
        {"new": {"dists": [*good, *bad]}, "old": {"dists": old}}, {"dists": "lower"}
    )
    assert found[0].difference.verdict == "better"
    assert found[0].seeds[0] < 0 < found[0].seeds[1]
    assert found[0].verdict == "no difference shown"


def test_a_claim_is_read_from_either_side():
    found = differences(
        {"old": {"dists": figures(0.3)}, "new": {"dists": figures(0.2, start=1)}},
        {"dists": "lower"},
    )
    assert found[0].here == "old"
    assert found[0].verdict == "worse"
    assert decide([CLAIM], found)[0].outcome == "reproduced"


def test_a_claim_of_a_row_that_was_not_measured_is_left_out():
    assert decide([CLAIM], differences({"new": {"dists": figures(0.2)}}, {"dists": "lower"})) == []


def test_all_pairs_are_one_family_of_tests():
    rows = {name: {"dists": figures(0.2, start=k)} for k, name in enumerate("abcde")}
    found = differences(rows, {"dists": "lower"})
    assert len(found) == 10
    assert {each.difference.level for each in found} == {1 - 0.05 / 10}


def test_only_photographs_that_all_seeds_have_are_compared():
    new = figures(0.2)
    del new[1][IMAGES[0]]
    found = differences({"new": {"dists": new}, "old": {"dists": figures(0.3)}}, {"dists": "lower"})
    assert found[0].difference.count == 19


def test_the_effect_is_the_mean_in_deviations():
    new = [{"a": 1.0, "b": 2.0, "c": 3.0}]
    old = [{"a": 0.0, "b": 0.0, "c": 0.0}]
    [found] = differences({"new": {"x": new}, "old": {"x": old}}, {"x": "higher"})
    assert found.effect == pytest.approx(2.0)
