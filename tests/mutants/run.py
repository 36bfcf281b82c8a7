"""Makes small faults in what computes results, and asks whether any test sees them.

A survivor is a change that no test fails for. It is listed in `equivalent.toml`, with the reason
why no test can, or it is an error.

    python tests/mutants/run.py                                  # all, in some hours
    python tests/mutants/run.py toolkit/training/step.py         # one module
    python tests/mutants/run.py plugins/losses --sample 100      # some of them, always the same
    python tests/mutants/run.py plugins/losses --sample 100 --seed 1    # others
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import sys
import time
import tomllib
from collections import Counter
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported; threads do not fork

from mutating import mutants
from running import SURVIVED, UNSEEN, baseline, compiled, module_name, verdict, warm_up

ROOT = Path(__file__).parents[2]
_TRAINING = [
    f"tests/training/test_{name}.py"
    for name in ("step_by_hand", "gradients", "sharing", "latent_loss")
]
TESTS = {
    "toolkit/training/step.py": [*_TRAINING, "tests/training/test_loop.py"],
    "toolkit/evaluation/statistics.py": ["tests/evaluation/test_statistics.py"],
    "plugins/discriminators/toolkit_discriminators": ["tests/plugins/discriminators"],
    "plugins/losses/toolkit_losses": ["tests/plugins/losses"],
    "plugins/generators/toolkit_generators": ["tests/plugins/generators"],
    "plugins/metrics/toolkit_metrics": ["tests/plugins/metrics"],
}
"""What is changed, and the tests that are to see it."""


def main() -> None:
    """Parses, runs, reports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("only", nargs="*", type=Path, help="modules or folders; all if none")
    parser.add_argument("--sample", type=int, help="at most so many mutants of each module")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--survivors", action="store_true", help="only those that survived before")
    parser.add_argument("--out", type=Path, default=ROOT / "runs/mutants", help="for the results")
    arguments = parser.parse_args()
    os.chdir(ROOT)
    warm_up()
    equivalent = tomllib.loads((Path(__file__).parent / "equivalent.toml").read_text())
    unexplained = 0
    for path, tests in _chosen(arguments.only):
        record = arguments.out / f"{path.stem}-{path.parent.name}.json"
        sample = (arguments.sample, arguments.seed)
        results = _run(path, tests, sample, record, again=arguments.survivors)
        reasons = equivalent.get(str(path.relative_to(ROOT)), {})
        unexplained += _report(path, results, reasons)
    sys.exit(1 if unexplained else 0)


def _chosen(only: list[Path]) -> list[tuple[Path, list[str]]]:
    found = []
    for target, tests in TESTS.items():
        place = ROOT / target
        files = sorted(place.glob("*.py")) if place.is_dir() else [place]
        found += [(file, tests) for file in files if file.name != "__init__.py"]
    wanted = [each.resolve() for each in only]
    return [one for one in found if not wanted or any(one[0].is_relative_to(w) for w in wanted)]


def _run(
    path: Path, tests: list[str], sample: tuple[int | None, int], record: Path, *, again: bool
) -> dict[str, str]:
    """The verdict on every mutant of a module, by name; written down as they come.

    `sample` is at most how many, and the seed that chooses them.
    """
    source = path.read_text()
    names = [mutant.name for mutant in mutants(ast.parse(source))]
    places = list(range(len(names)))
    results: dict[str, str] = {}
    if again:
        results = json.loads(record.read_text())
        places = [p for p in places if results.get(names[p]) in {SURVIVED, UNSEEN}]
    elif sample[0] and sample[0] < len(places):
        places = sorted(random.Random(sample[1]).sample(places, sample[0]))
    print(f"{path.relative_to(ROOT)}: {len(places)} of {len(names)} mutants", flush=True)
    known = baseline(path, tests)
    if known.failed:
        print(f"  left out, as they fail or are skipped: {', '.join(known.failed)}")
    name, begin = module_name(path, [ROOT / "plugins" / path.parts[-3], ROOT]), time.monotonic()
    record.parent.mkdir(parents=True, exist_ok=True)
    for place in places:
        tree = ast.parse(source)
        mutant = list(mutants(tree))[place]
        mutant.apply()
        code = compiled(tree, path)
        if code is not None:
            chosen = known.tests(mutant.lines)
            limit = 20 + 5 * sum(known.seconds[each] for each in chosen)
            results[mutant.name] = verdict(name, path, code, chosen, limit)
            if results[mutant.name] in {SURVIVED, UNSEEN}:
                print(f"  {mutant.lines[0]} {mutant.name}  [{results[mutant.name]}]", flush=True)
        record.write_text(json.dumps(results, indent=1))
    print(f"  {time.monotonic() - begin:.0f} s", flush=True)
    return results


def _report(path: Path, results: dict[str, str], reasons: dict[str, str]) -> int:
    """Prints what became of them; gives how many survivors nobody has explained."""
    counts = Counter(results.values())
    unexplained = [
        n for n, what in results.items() if what in {SURVIVED, UNSEEN} and n not in reasons
    ]
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"  {len(results)} mutants: {told}; {len(unexplained)} unexplained", flush=True)
    for name in sorted(
        reasons.keys() & {n for n, what in results.items() if what not in {SURVIVED, UNSEEN}}
    ):
        print(f"  no survivor any more, take it out of equivalent.toml: {name}")
    return len(unexplained)


if __name__ == "__main__":
    main()
