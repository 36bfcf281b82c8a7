"""How long `toolkit` takes to answer where nothing is computed, beside Python's own start.

The ratio to a bare interpreter holds from machine to machine; the seconds do not.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

COMMANDS = {
    "python": ["-c", "pass"],
    "toolkit --help": ["-m", "toolkit", "--help"],
    "toolkit plugins list": ["-m", "toolkit", "plugins", "list"],
    "import torch": ["-c", "import torch"],
}
LIBRARIES = ("typer", "rich", "pydantic", "pluggy", "torch")


def main() -> None:
    """Measures every command in turn, round by round, and prints medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path, help="where to keep the figures, as JSON")
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(args.rounds + 1):
        for name, words in COMMANDS.items():
            seconds[name].append(measure(words))
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    for name, median in medians.items():
        low, high = min(seconds[name][1:]), max(seconds[name][1:])
        ratio = median / medians["python"]
        print(f"{name:22} {median:6.3f} s  ({low:.3f} to {high:.3f})  {ratio:5.1f}x python")
    if args.out:
        args.out.write_text(json.dumps(document(seconds, medians), indent=2) + "\n")


def measure(words: list[str]) -> float:
    """Seconds from starting a command to its end."""
    begun = time.perf_counter()
    line = [sys.executable, *words]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own words
    return time.perf_counter() - begun


def document(seconds: dict[str, list[float]], medians: dict[str, float]) -> dict[str, object]:
    """The figures and what they depend on, without the first round, which fills caches."""
    return {
        "benchmark": "startup",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": platform.machine(), "system": platform.system()},
        "versions": {"python": platform.python_version(), **{n: version(n) for n in LIBRARIES}},
        "median_seconds": medians,
        "seconds": {name: found[1:] for name, found in seconds.items()},
    }


if __name__ == "__main__":
    main()
