"""Checks the wheels and sdists in a folder: `make dist`.

Each must hold every tracked file of its package, its licence and its type marker, and nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path, PurePosixPath

from version import ROOT, projects

METADATA = frozenset({"METADATA", "RECORD", "WHEEL"})
"""What every wheel's `.dist-info` has besides licences."""


def faults(folder: Path, root: Path = ROOT) -> list[str]:
    """Describes what is missing or too much among the distributions in a folder, and in each."""
    found, expected = [], set()
    for path in projects(root):
        project = tomllib.loads(path.read_text("utf-8"))
        name = f"{project['project']['name'].replace('-', '_')}-{project['project']['version']}"
        package = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0]
        tracked = _tracked(path.parent, root)
        wheel, sdist = folder / f"{name}-py3-none-any.whl", folder / f"{name}.tar.gz"
        expected |= {wheel, sdist}
        if not (wheel.is_file() and sdist.is_file()):
            found.append(f"{name}: wheel or sdist is missing")
            continue
        licences = {f"{name}.dist-info/licenses/{each}" for each in tracked if _is_licence(each)}
        code = {each for each in tracked if each.startswith(f"{package}/")}
        points = {"entry-points", "scripts"} & project["project"].keys()
        described = METADATA | ({"entry_points.txt"} if points else set())
        described = {f"{name}.dist-info/{each}" for each in described}
        found += _wheel_faults(wheel, code | licences | described, f"{name}.dist-info")
        found += _sdist_faults(sdist, code, tracked)
        if f"{package}/py.typed" not in code:
            found.append(f"{name}: {package}/py.typed is missing")
        if not licences:
            found.append(f"{name}: no licence")
    others = {each for each in folder.iterdir() if each.name != ".gitignore"} - expected
    return found + [f"{each.name}: not of this version" for each in sorted(others)]


def _wheel_faults(path: Path, expected: set[str], info: str) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        inside = {each for each in archive.namelist() if not each.endswith("/")}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    found = _differences(path.name, inside, expected)
    for field in ("Summary", "License-Expression", "Requires-Python", "Description-Content-Type"):
        if not metadata[field]:
            found.append(f"{path.name}: METADATA has no {field}")
    return found


def _sdist_faults(path: Path, code: set[str], tracked: set[str]) -> list[str]:
    """An sdist may have more of what is tracked, such as scripts, but no tests."""
    with tarfile.open(path) as archive:
        names = [PurePosixPath(each.name) for each in archive if each.isfile()]
    inside = {PurePosixPath(*each.parts[1:]).as_posix() for each in names}
    must = code | {"pyproject.toml", "README.md", "LICENSE"}
    may = {each for each in tracked if not each.startswith(("tests/", "training/"))}
    inside -= {"PKG-INFO", ".gitignore"}
    return _differences(path.name, inside, must | (inside & may))


def _differences(name: str, inside: set[str], expected: set[str]) -> list[str]:
    missing = [f"{name}: {each} is missing" for each in sorted(expected - inside)]
    return missing + [f"{name}: {each} does not belong" for each in sorted(inside - expected)]


def _is_licence(path: str) -> bool:
    return path in {"LICENSE", "LICENSES.md"} or path.startswith("licences/")


def _tracked(folder: Path, root: Path) -> set[str]:
    """Returns the files of a folder that git tracks, relative to it."""
    command = ["git", "-C", str(folder), "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    files = {each for each in listed.split("\0") if each}
    if folder == root:
        files = {each for each in files if not each.startswith(("plugins/", "tests/"))}
    return files


def main() -> None:
    """Lists the distributions with their sizes, or ends with the faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder of wheels and sdists, such as dist")
    folder = parser.parse_args().folder
    if found := faults(folder):
        sys.exit("\n".join(found))
    for path in sorted(folder.glob("*.whl")):
        print(f"{path.stat().st_size / 1e6:8.2f} MB  {path.name}")


if __name__ == "__main__":
    main()
