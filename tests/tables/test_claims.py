"""Outcomes of claims on two rows and on ranks."""

import numpy as np
import pytest

from toolkit.tables.claims import decide, pairs_of, ranks_of
from toolkit.tables.comparison import differences
from toolkit.tables.spec import Claim, RankClaim

IMAGES = [f"{number}.png" for number in range(12)]
CLAIM = Claim(claim="New beats old", better="new", than="old")
DIRECTIONS = {"dists": "lower", "psnr": "higher", "niqe": "lower"}
TRAINED = (0, 1, 2, 3, 4)


def figures(level, start=0, seeds=TRAINED, spread=0.1):
    rng = np.random.default_rng(start)
    photographs = level + spread * rng.standard_normal((len(seeds), len(IMAGES)))
    return {
        seed: dict(zip(IMAGES, each.tolist(), strict=True))
        for seed, each in zip(seeds, photographs, strict=True)
    }


def rows_at(metric="dists", seeds=TRAINED, **levels):
    return {
        label: {metric: figures(level, number, seeds)}
        for number, (label, level) in enumerate(levels.items())
    }


def decided(claims, rows, deciding=("dists",), labels=None):
    rows = rows if "heldout" in rows else {"heldout": rows}
    labels = labels or list(rows["heldout"])
    ranked = ranks_of(claims, labels, rows, deciding)
    more = sum(each.is_testable for each in ranked)
    found = differences(rows, DIRECTIONS, pairs_of(claims, deciding), more)
    return decide(claims, found, ranked, DIRECTIONS, rows, deciding)


def rank(**more):
    return RankClaim(**{"claim": "It is in front", "rank": "a", "at_most": 1, **more})


@pytest.mark.parametrize(
    ("new", "old", "outcome", "verdict"),
    [
        (1, 2, "reproduced", "better"),
        (2, 1, "contradicted", "worse"),
        (1, 1, "undecided", "no difference shown"),
    ],
)
def test_a_claim_is_decided_by_the_difference_from_either_side(new, old, outcome, verdict):
    for rows in (rows_at(new=new, old=old), rows_at(old=old, new=new)):
        [found] = decided([CLAIM], rows)
        assert (found.outcome, found.by_metric) == (outcome, {"dists": verdict})


def test_metrics_that_disagree_decide_nothing():
    rows = rows_at(new=1, old=2)
    for label, level in (("new", 1), ("old", 2)):
        rows[label]["psnr"] = figures(level, start=level + 10)
    [found] = decided([CLAIM], rows, ("dists", "psnr"))
    assert found.by_metric == {"dists": "better", "psnr": "worse"}
    assert found.outcome == "undecided"
    assert decided([CLAIM], rows, ("dists",))[0].outcome == "reproduced"


def test_datasets_are_told_apart():
    rows = {"heldout": rows_at(new=1, old=2), "more": rows_at(new=1, old=1)}
    [found] = decided([CLAIM], rows)
    verdicts = {"dists on heldout": "better", "dists on more": "no difference shown"}
    assert (found.by_metric, found.outcome) == (verdicts, "reproduced")


def test_one_training_decides_nothing():
    rows = rows_at(seeds=(0,), new=1, old=2, a=1)
    pair, ranks = decided([CLAIM, rank()], rows)
    assert (pair.outcome, pair.by_metric) == ("undecided", {"dists": "one training"})
    assert (ranks.outcome, ranks.seeds) == ("undecided", 1)


def test_what_was_not_measured_is_named():
    rows = rows_at(new=1, b=2) | {"old": {}}
    pair, ranks = decided([CLAIM, rank(rank="b", among=["new", "old"])], rows)
    assert (pair.outcome, pair.needs) == ("not measured", ["old"])
    assert (ranks.outcome, ranks.needs, ranks.share) == ("not measured", ["old"], None)
    [of_all] = decided([rank()], rows_at(b=1, c=2), labels=["a", "b", "c"])
    assert of_all.needs == ["a"]


@pytest.mark.parametrize("seeds", [TRAINED, (None,)], ids=["trained", "untrained"])
@pytest.mark.parametrize(
    ("claim", "outcome", "ranks"),
    [
        (rank(), "contradicted", (2, 2, 2)),
        (rank(at_most=2), "reproduced", (2, 2, 2)),
        (rank(at_most=None, at_least=2), "reproduced", (2, 2, 2)),
        (rank(at_most=None, at_least=3), "contradicted", (2, 2, 2)),
        (rank(rank=["a", "b"]), "reproduced", (1, 1, 1)),
        (rank(among=["a", "c"]), "reproduced", (1, 1, 1)),
        (rank(rank="c"), "contradicted", (3, 3, 4)),  # c and d are as good
        (rank(rank="c", at_most=3), "undecided", (3, 3, 4)),
    ],
)
def test_ranks_have_ranges(claim, outcome, ranks, seeds):
    [found] = decided([claim], rows_at(seeds=seeds, b=0.0, a=1, c=2, d=2.05))
    one = found.by_metric["dists"]
    assert (found.outcome, (one.rank, one.low, one.high)) == (outcome, ranks)


def test_ranks_follow_the_direction():
    [found] = decided([rank(metrics=["psnr"])], rows_at("psnr", a=3, b=2, c=1))
    assert (found.outcome, found.share) == ("reproduced", 1.0)


@pytest.mark.parametrize(
    ("on", "outcome"), [("most", "reproduced"), ("all", "contradicted"), ("any", "reproduced")]
)
def test_a_claim_holds_on_most_metrics(on, outcome):
    rows = rows_at(a=1, b=2)
    for metric, levels in (("niqe", (1, 2)), ("psnr", (1, 2))):
        for label, level in zip("ab", levels, strict=True):
            rows[label][metric] = figures(level, start=level + 20)
    [found] = decided([rank(on=on)], rows, ("dists", "niqe", "psnr"))
    assert [each.rank for each in found.by_metric.values()] == [1, 1, 2]
    assert found.outcome == outcome


def test_the_share_of_draws_is_the_p_of_the_paired_t_test():
    from scipy import stats

    seeds = {0: 0.3, 1: 0.1, 2: -0.05}
    rows = {
        "a": {"psnr": {seed: dict.fromkeys(IMAGES, 1 + value) for seed, value in seeds.items()}},
        "b": {"psnr": {seed: dict.fromkeys(IMAGES, 1.0) for seed in seeds}},
    }
    [found] = decided([rank(metrics=["psnr"])], rows)
    one_sided = stats.ttest_1samp(list(seeds.values()), 0, alternative="greater").pvalue
    assert 1 - found.share == pytest.approx(one_sided, abs=0.015)
    assert found.outcome == "undecided"


def test_claims_of_both_kinds_are_corrected_together():
    pair, other = CLAIM, rank(rank="new")
    rows = rows_at(new=1, old=1.01)
    result = decided([pair, other], rows)[1]
    assert result.level == 1 - 0.05 / 2
