"""Tries the wheels as a user gets them: `make trial`.

Installs them into a fresh environment in an empty folder outside of this checkout, and runs the
commands of README.md there, each with its time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from version import ROOT

PHOTO = "plugins/shards/toolkit_shards/data/tiny.jpg"
TRAINING = "--steps 6 --batch 2 --set train.crop=64"
COMMANDS = f"""
toolkit --version
toolkit restore photo.jpg
restoration-toolkit restore photo.jpg --scale 2 --strength 0.7 --out smaller.jpg
toolkit restore holiday --out restored
toolkit restore holiday --with bicubic --out bicubic
toolkit eval --sr restored --hr bicubic --metric psnr-y --metric dists
toolkit train --disc nad --loss ea-dists {TRAINING} --out runs/first
toolkit show runs/first
toolkit restore photo.jpg --with runs/first --out mine.jpg
toolkit degrade photo.jpg --variants 2 --out degraded
toolkit export runs/first --out exported
toolkit bench --table 6 --scale paper --format json
toolkit plugins list
pip install --quiet --disable-pip-version-check {{plugin}}
toolkit train --disc patch --loss charbonnier {TRAINING} --out runs/second
pip check
"""
"""`{{plugin}}` is the wheel of the example plugin."""


def install(folder: Path, environment: Path, options: list[str]) -> None:
    """Makes an environment with `restoration-toolkit` from a folder of wheels."""
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)  # noqa: S603
    pip = [str(environment / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    _timed([*pip, "--find-links", str(folder), *options, "restoration-toolkit"], environment.parent)


def plugin_wheel(folder: Path) -> str:
    """Builds the example plugin as its author would; returns the path of its wheel."""
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder)]
    subprocess.run([*pip, ROOT / "examples" / "toolkit-example-plugin"], check=True)  # noqa: S603
    return str(next(folder.glob("toolkit_example_plugin-*.whl")))


def run(environment: Path, work: Path, plugin: str) -> None:
    """Runs the commands in a folder; ends at the first that fails."""
    (work / "holiday" / "day-1").mkdir(parents=True)
    for name in ("photo.jpg", "holiday/day-1/one.jpg"):
        shutil.copy(ROOT / PHOTO, work / name)
    for line in COMMANDS.strip().splitlines():
        program, *words = line.format(plugin=plugin).split(" ")
        _timed([str(environment / "bin" / program), *words], work)


def _timed(command: list[str], work: Path) -> None:
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    started = time.monotonic()
    ended = subprocess.run(  # noqa: S603 - our own commands
        command, cwd=work, env=inherited, capture_output=True, text=True, check=False
    )
    shown = " ".join([Path(command[0]).name, *command[1:]])
    print(f"{time.monotonic() - started:7.1f} s  {shown}", flush=True)
    if ended.returncode:
        sys.exit(f"{ended.stdout}\n{ended.stderr}\nended with {ended.returncode}")


def main() -> None:
    """Tries the wheels, in an environment that is made for it or one that exists."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of wheels, such as dist")
    parser.add_argument("--environment", type=Path, help="use this environment; install nothing")
    known, options = parser.parse_known_args()  # the others are pip's, such as --index-url
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        environment = known.environment or base / "environment"
        if not known.environment:
            install(known.folder.resolve(), environment, options)
        (base / "work").mkdir()
        run(environment.absolute(), base / "work", plugin_wheel(base))


if __name__ == "__main__":
    main()
