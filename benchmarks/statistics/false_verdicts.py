"""How often tables without any difference have a false verdict, and the power for real differences.

    python benchmarks/statistics/false_verdicts.py --out benchmarks/results/false-verdicts.json

Tables are simulated with the scatter of committed results, and tested as `toolkit bench` tests
them. With `--plot FILE`, both are drawn.
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import scipy
from simulated_tables import (
    Procedure,
    World,
    outcomes,
    rank_verdicts,
    rate,
    read_world,
    verdicts,
)

from toolkit.reporting.plots import COLOURS

TABLES = ("table5", "table6", "ablation")
SEEDS = (3, 5, 10)
PROCEDURES: tuple[Procedure, ...] = get_args(Procedure)
CHUNK = 1000
SCENARIOS: dict[str, dict[str, Any]] = {
    "as seen": {},
    "rows scatter alike": {"equal_rows": True},
    "little interaction": {"rest_share": 0.1},
    "much interaction": {"rest_share": 0.9},
}
"""Variants of what the results do not tell, by the arguments of `read_world`."""
THREE_ROWS = {
    "table5": ["lpips", "dists", "ea-dists"],
    "table6": ["none", "vanilla", "nad-sd21"],
    "ablation": ["none, mse", "nad, mse", "none, ea-dists"],
}


def simulated(
    world: World, tables: int, seeds: int, procedures: tuple[Procedure, ...], effect: float = 0.0
) -> dict[Procedure, np.ndarray[Any, Any]]:
    """Verdicts on many tables, in chunks that bound the memory."""
    rng = np.random.default_rng(seeds)
    parts = [
        verdicts(world, min(CHUNK, tables - done), seeds, rng, procedures, effect=effect)
        for done in range(0, tables, CHUNK)
    ]
    return {each: np.concatenate([part[each] for part in parts]) for each in procedures}


def false_verdicts(tables: int) -> Iterator[dict[str, Any]]:
    """The rate of tables with any false verdict, in all scenarios."""
    for name in TABLES:
        worlds = {label: read_world(name, **how) for label, how in SCENARIOS.items()}
        worlds["three rows"] = read_world(name, rows=THREE_ROWS[name])
        worlds["two rows"] = read_world(name, rows=THREE_ROWS[name][1:])
        for scenario, world in worlds.items():
            if not world.claims:
                continue
            for seeds in SEEDS:
                found = simulated(world, tables, seeds, PROCEDURES)
                yield {
                    "table": name,
                    "scenario": scenario,
                    "seeds": seeds,
                    "tests": world.tests,
                    **{each: rate((found[each] != 0).any((1, 2))) for each in PROCEDURES},
                }

    world = read_world("table2")
    found = simulated(world, tables, 1, ("trainings",))["trainings"]
    yield {
        "table": "table2",
        "scenario": "no row trained",
        "seeds": 0,
        "tests": world.tests,
        "trainings": rate((found != 0).any((1, 2))),
    }


def false_ranks(tables: int) -> Iterator[dict[str, Any]]:
    """The rate of tables without any difference in which a claim on ranks has a verdict.

    The claim is alone in its table, so that its level is 95 %.
    """
    for name, seeds in itertools.product(("table5", "table6", "table2"), (3, 5)):
        world = read_world(name)
        is_trained = name != "table2"
        for at_most, on in ((1, "most"), (2, "most"), (1, "any"), (1, "all")):
            if is_trained or seeds == 3:
                verdict = rank_verdicts(world, tables, seeds if is_trained else 0, at_most, on)
                yield {
                    "table": name,
                    "seeds": seeds if is_trained else 0,
                    "at_most": at_most,
                    "on": on,
                    "trainings": rate(verdict != 0),
                }


def power(tables: int) -> Iterator[dict[str, Any]]:
    """How often the claims would be decided, if the differences that were found were the true."""
    for name in TABLES:
        world = read_world(name)
        for seeds in SEEDS:
            found = simulated(world, tables, seeds, ("trainings",), 1.0)["trainings"]
            decided = outcomes(found)
            for number, (words, (better, than)) in enumerate(
                zip(world.words, world.claims, strict=True)
            ):
                yield {
                    "table": name,
                    "claim": words,
                    "seeds": seeds,
                    "reproduced": float((decided[:, number] > 0).mean()),
                    "contradicted": float((decided[:, number] < 0).mean()),
                    "metrics": {
                        metric: {
                            "difference": float(each.means[better] - each.means[than]),
                            "shown": float((found[:, number, place] != 0).mean()),
                        }
                        for place, (metric, each) in enumerate(world.scatter.items())
                    },
                }


def plot(document: dict[str, Any], path: Path) -> None:
    """Draws the rates of false verdicts, and the power by the number of seeds."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams.update({"svg.hashsalt": "toolkit", "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 5), width_ratios=(1, 1))
    seen = [each for each in document["false_verdicts"] if each["scenario"] == "as seen"]
    labels = [f"{each['table']}, {each['seeds']} seeds" for each in seen]
    told = {
        "trainings": "trainings and photographs (toolkit)",
        "textbook": "the same, without care for few seeds",
        "photographs": "photographs alone",
    }
    places = np.arange(len(seen))[::-1]
    for number, procedure in enumerate(PROCEDURES):
        rates = [100 * each[procedure]["rate"] for each in seen]
        ends = [[100 * each[procedure][end] for each in seen] for end in ("low", "high")]
        errors = [np.subtract(rates, ends[0]), np.subtract(ends[1], rates)]
        left.errorbar(rates, places + 0.2 - 0.2 * number, xerr=errors, fmt="o", ms=5,
                      color=COLOURS[number], label=told[procedure])  # fmt: skip
    left.axvline(5, color="black", lw=1, ls="--")
    left.set_xscale("log")
    left.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    left.minorticks_off()
    left.set_yticks(places, labels)
    left.set_xlabel("% of tables without any difference that have a verdict")
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=9, frameon=False)
    lines: dict[tuple[str, str], dict[int, float]] = {}
    for each in document["power"]:
        decided = 100 * (each["reproduced"] + each["contradicted"])
        lines.setdefault((each["table"], each["claim"]), {})[each["seeds"]] = decided
    styles = dict(zip(TABLES, ("-", "--", ":"), strict=True))
    for number, ((table, claim), points) in enumerate(lines.items()):
        right.plot(list(points), list(points.values()), styles[table], marker="o", ms=4,
                   color=COLOURS[number % len(COLOURS)], label=f"{table}: {claim}")  # fmt: skip
    right.axhline(80, color="black", lw=1, ls="--")
    right.set_xticks(SEEDS)
    right.set_ylim(-2, 102)
    right.set_xlabel("seeds")
    right.set_ylabel("% of tables in which the claim is decided")
    right.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.13), fontsize=8, frameon=False, ncols=2
    )
    for axes, title in ((left, "No difference"), (right, "The differences that were found")):
        axes.set_title(title)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)


def main() -> None:
    """Simulates, prints, and writes what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tables", type=int, default=10_000, help="tables per scenario")
    parser.add_argument("--out", type=Path, help="file for the rates, as JSON")
    parser.add_argument("--plot", type=Path, help="file for the plot, as SVG or PNG")
    args = parser.parse_args()
    document: dict[str, Any] = {
        "about": "tables simulated with the scatter of committed results, twelve tests each where "
        "no other number is given, corrected together at 5 %",
        "tables": args.tables,
        "false_verdicts": [],
        "ranks": {"tables": args.tables // 20, "false_verdicts": []},
        "power": [],
        "environment": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
    }
    for each in false_verdicts(args.tables):
        document["false_verdicts"].append(each)
        rates = ", ".join(
            f"{name} {100 * each[name]['rate']:.1f} %" for name in PROCEDURES if name in each
        )
        print(f"{each['table']}, {each['scenario']}, {each['seeds']} seeds: {rates}", flush=True)
    for each in false_ranks(args.tables // 20):
        document["ranks"]["false_verdicts"].append(each)
        print(f"{each['table']}, rank at most {each['at_most']} on {each['on']}, {each['seeds']} "
              f"seeds: {each['trainings']['rate']:.1%}", flush=True)  # fmt: skip
    for each in power(args.tables):
        document["power"].append(each)
        shown = ", ".join(f"{name} {m['shown']:.0%}" for name, m in each["metrics"].items())
        print(f"{each['table']}, {each['claim']}, {each['seeds']} seeds: "
              f"reproduced {each['reproduced']:.0%}, contradicted {each['contradicted']:.0%} "
              f"({shown})")  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if args.plot:
        plot(document, args.plot)
    found = [*document["false_verdicts"], *document["ranks"]["false_verdicts"]]
    worst = max((each["trainings"] for each in found), key=lambda each: float(each["low"]))
    print(f"At most {worst['rate']:.2%} ({worst['low']:.2%} to {worst['high']:.2%}) of the tables "
          "have a false verdict.")  # fmt: skip
    if worst["low"] > 0.05:
        sys.exit("That is more than 5 %.")


if __name__ == "__main__":
    main()
