"""The held-out photographs that ship, as the tables of the small scale are measured on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.errors import UsageError, did_you_mean
from toolkit.evaluation.photographs import Photographs, write_photographs
from toolkit.image_files import find_images
from toolkit.tables.settings import read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.figures.systems import Asked
    from toolkit.registry import Registry


def heldout(asked: Asked, registry: Registry) -> Photographs:
    """Writes the photographs into the work folder, if they are not there."""
    small = read_settings().small
    return write_photographs(
        asked.work / asked.setting / "photographs",
        small.dataset,
        small.recipe["degradation"],
        small.quick.images if asked.quick else None,
        registry,
    )


def named(folder: Path, names: Sequence[str]) -> list[Path]:
    """Finds photographs of a folder by their names; all of them if none is named.

    Raises:
        UsageError: There is none of a name.
    """
    known = {path.stem: path for path in find_images(folder)}
    for name in names:
        if name not in known:
            raise UsageError(
                f"There is no photograph {name!r} in {folder}.{did_you_mean(name, list(known))}",
                f"Photographs: {', '.join(sorted(known))}. One of your own: "
                "toolkit figure crops --image FILE --with NAME",
            )
    return [known[name] for name in names or sorted(known)]
