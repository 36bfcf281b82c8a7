"""Reads and sets the one version of all distributions: `make version V=0.2.0`.

The distributions of this repository are released together and require each other in exactly the
same version, so that no two of different releases meet in an environment.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[2]
MAIN = "restoration-toolkit"
_VERSION = re.compile(r'^(version = )"[^"]*"$', re.MULTILINE)
_PIN = re.compile(rf'"({MAIN}[a-z0-9-]*(?:\[[a-z0-9,-]*\])?)==[^"]*"')
_CITED = re.compile(r"^(version: ).*$", re.MULTILINE)


def projects(root: Path = ROOT) -> list[Path]:
    """Returns the `pyproject.toml` files of all distributions, the main one first."""
    return [root / "pyproject.toml", *sorted(root.glob("plugins/*/pyproject.toml"))]


def faults(root: Path = ROOT) -> list[str]:
    """Describes every place that does not agree with the version in the main `pyproject.toml`."""
    version = str(_project(root / "pyproject.toml")["version"])
    found = []
    for path in projects(root):
        project, where = _project(path), path.relative_to(root)
        if project["version"] != version:
            found.append(f"{where}: version {project['version']}, not {version}")
        found += [
            f"{where}: {requirement}, not =={version}"
            for requirement in _between(project)
            if str(requirement.specifier) != f"=={version}"
        ]
    if f"\nversion: {version}\n" not in (root / "CITATION.cff").read_text("utf-8"):
        found.append(f"CITATION.cff: not version {version}")
    return found


def set_version(version: str, root: Path = ROOT) -> None:
    """Writes a version into all distributions, their requirements and the citation."""
    for path in projects(root):
        text = _VERSION.sub(rf'\g<1>"{version}"', path.read_text("utf-8"), count=1)
        path.write_text(_PIN.sub(rf'"\g<1>=={version}"', text), "utf-8")
    citation = root / "CITATION.cff"
    # The newline keeps to the end of the file; `cff-version` does not start with `version`.
    citation.write_text(_CITED.sub(rf"\g<1>{version}", citation.read_text("utf-8")), "utf-8")


def _project(path: Path) -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))["project"]
    return project


def _between(project: dict[str, Any]) -> Iterator[Requirement]:
    """Yields the requirements of a project on other distributions of this repository."""
    extras = project.get("optional-dependencies", {}).values()
    for line in chain(project.get("dependencies", []), *extras):
        requirement = Requirement(line)
        if requirement.name.startswith(MAIN) and requirement.name != project["name"]:
            yield requirement


def main() -> None:
    """Prints the version, or sets it to the one given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", nargs="?", help="such as 0.2.0; without it, print the version")
    wanted = parser.parse_args().version
    if wanted:
        try:
            wanted = str(Version(wanted))
        except InvalidVersion:
            parser.error(f"{wanted} is no version: use one such as 0.2.0 or 0.2.0rc1")
        set_version(wanted)
    if found := faults():
        sys.exit("\n".join(found))
    print(_project(ROOT / "pyproject.toml")["version"])


if __name__ == "__main__":
    main()
