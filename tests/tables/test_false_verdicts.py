"""The whole procedure on simulated tables without any difference."""

from pathlib import Path

import numpy as np
import pytest

from toolkit.evaluation.comparison import ALPHA
from toolkit.tables.claims import decide, pairs_of
from toolkit.tables.comparison import differences
from toolkit.tables.spec import Claim

FOLDER = Path(__file__).parents[2] / "benchmarks" / "statistics"
TABLES = 1000


@pytest.fixture
def simulated_tables(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import simulated_tables

    return simulated_tables


@pytest.fixture
def steady(simulated_tables):
    """A table of five rows, whose scatter is about that of Table 6 after 300 steps."""
    rng = np.random.default_rng(0)

    def scatter(seeds, photographs, rest, better):
        apart = photographs * rng.standard_normal((5, 20))
        apart -= apart.mean(1, keepdims=True)
        means = np.array([better, 0.0, 0.0, 0.0, 0.0])
        return simulated_tables.Scatter(means, np.array(seeds), 0.4, apart, rest)

    return simulated_tables.World(
        "steady",
        [(0, 1), (0, 2), (0, 3), (4, 3)],
        ["one", "two", "three", "four"],
        {
            "niqe": scatter([0.24, 0.30, 0.45, 0.10, 0.49], 0.11, 0.19, -2.0),
            "lpips": scatter([0.001, 0.010, 0.006, 0.005, 0.012], 0.003, 0.006, 0.0),
            "dists": scatter([0.005, 0.004, 0.003, 0.002, 0.006], 0.002, 0.004, 0.0),
        },
    )


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("name", ["table5", "table6", "ablation"])
def test_at_most_5_of_100_tables_without_a_difference_have_a_verdict(simulated_tables, name, seeds):
    world = simulated_tables.read_world(name)
    found = simulated_tables.verdicts(world, TABLES, seeds, np.random.default_rng(seeds))
    assert simulated_tables.rate((found["trainings"] != 0).any((1, 2)))["low"] <= ALPHA


def test_tests_that_ignore_the_seeds_have_far_more_false_verdicts(simulated_tables, steady):
    procedures = ("trainings", "textbook", "photographs")
    found = simulated_tables.verdicts(steady, TABLES, 3, np.random.default_rng(3), procedures)
    rates = {name: (each != 0).any((1, 2)).mean() for name, each in found.items()}
    assert rates["trainings"] <= ALPHA
    assert rates["textbook"] > 2 * ALPHA
    assert rates["photographs"] > 0.5


def test_nor_do_tables_of_systems_that_are_not_trained(simulated_tables):
    world = simulated_tables.read_world("table2")
    found = simulated_tables.verdicts(world, TABLES, 1, np.random.default_rng(1))["trainings"]
    assert (found != 0).any((1, 2)).mean() <= ALPHA


def test_large_differences_are_shown(simulated_tables, steady):
    rng = np.random.default_rng(2)
    found = simulated_tables.verdicts(steady, TABLES, 5, rng, effect=1.0)["trainings"]
    decided = simulated_tables.outcomes(found).mean(0)
    assert (decided[:3] > 0.8).all()
    assert abs(decided[3]) < 0.05


def test_the_tables_are_tested_as_bench_tests_them(simulated_tables, steady):
    """The simulation's verdicts are those of `differences` and `decide`."""
    world = steady
    rng, again = np.random.default_rng(7), np.random.default_rng(7)
    found = simulated_tables.verdicts(world, 4, 5, rng, effect=1.0)["trainings"]
    drawn = {
        name: simulated_tables.draw(each, 4, 5, again, effect=1.0)
        for name, each in world.scatter.items()
    }
    claims = [Claim(claim=words, better=str(better), than=str(than))
              for words, (better, than) in zip(world.words, world.claims, strict=True)]  # fmt: skip
    metrics = list(drawn)
    shown = 0
    for table in range(4):
        rows = {"": {str(row): {metric: as_figures(drawn[metric][table, row]) for metric in metrics}
                     for row in range(5)}}  # fmt: skip
        directions = dict.fromkeys(metrics, "lower")
        tested = differences(rows, directions, pairs_of(claims, metrics))
        for claim, result in enumerate(decide(claims, tested, [], directions, rows, metrics)):
            for place, verdict in enumerate(result.by_metric.values()):
                expected = {1: "better", -1: "worse", 0: "no difference shown"}
                assert verdict == expected[int(found[table, claim, place])]
                shown += verdict != "no difference shown"
    assert shown > 3


def as_figures(values):
    """By seed and photograph."""
    return {
        seed: {str(place): value for place, value in enumerate(each)}
        for seed, each in enumerate(values.tolist())
    }
