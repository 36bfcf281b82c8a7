"""Checks what importing a plugin's modules costs, in a process of its own."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution

from toolkit.hookspecs import ENTRY_POINT_GROUP
from toolkit.testing.subject import Subject, demand

HEAVY = (
    "torch", "torchvision", "diffusers", "transformers", "peft", "numpy", "scipy", "cv2", "pyiqa",
    "tensorflow", "jax", "gradio", "matplotlib", "pandas",
)  # fmt: skip
"""Libraries that take long to import; every command would wait for them."""
SECONDS = 1.0
"""Processor time that importing a plugin may take beside `toolkit.plugin` itself."""
_CODE = """
import importlib, json, sys, time
import toolkit.plugin
begin = time.process_time()
before = set(sys.modules)
importlib.import_module(sys.argv[1])
seconds = time.process_time() - begin
heavy = [name for name in sys.argv[2].split() if name in sys.modules and name not in before]
print("\\n" + json.dumps({"seconds": seconds, "heavy": heavy}))
"""


def start_up(subject: Subject) -> str:
    """Checks that importing the plugin's modules loads nothing heavy; returns how long it takes."""
    total = 0.0
    for module in modules_of(subject.distribution):
        seconds, heavy = import_cost(module)
        demand(
            not heavy,
            f"importing {module} loads {', '.join(heavy)}, so that every command starts slowly; "
            "import it inside `build`",
        )
        demand(
            seconds < SECONDS,
            f"importing {module} takes {seconds:.1f} s of processor time, more than {SECONDS:.0f}",
        )
        total += seconds
    return f"imported in {total:.2f} s"


def modules_of(name: str) -> list[str]:
    """Returns the modules that a distribution's entry points name; none if it is not installed."""
    try:
        points = distribution(name).entry_points
    except (PackageNotFoundError, ValueError):
        return []
    return sorted({point.module for point in points if point.group == ENTRY_POINT_GROUP})


@functools.cache
def import_cost(module: str) -> tuple[float, list[str]]:
    """Imports a module in a new process; returns seconds, and the heavy libraries it loaded."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(  # noqa: S603 - our own code, in this interpreter
        [sys.executable, "-c", _CODE, module, " ".join(HEAVY)],
        capture_output=True, text=True, check=False, env=environment,
    )  # fmt: skip
    lines = (done.stderr or done.stdout).strip().splitlines()
    demand(done.returncode == 0, f"importing {module} failed: {lines[-1] if lines else ''}")
    found = json.loads(done.stdout.splitlines()[-1])
    return found["seconds"], found["heavy"]
