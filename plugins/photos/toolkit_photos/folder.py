"""A folder of images as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from toolkit.colour_profiles import read_photo
from toolkit.errors import DataError
from toolkit.image_files import READ, find_images, why_unreadable
from toolkit.interfaces import Sample
from toolkit.paths import user_path

Part = Literal["all", "fit", "validation"]
"""All images, or those to fit by, or every eighth, to choose by: the two make up the whole."""
_EVERY = 8


class ImageFolder:
    """The images below a folder, by their paths in it, upright, opaque and in sRGB.

    A file that no image reader recognises is set aside at once; one that turns out to be torn
    raises `ImageError` when it is read.

    Args:
        name: What the dataset is called.
        folder: Searched with its subfolders.
        part: What of it; by the images' file names, wherever below the folder they lie.

    Raises:
        DataError: There is no such folder, or no image in that part of it.
    """

    def __init__(self, name: str, folder: Path, part: Part = "all") -> None:
        self.name = name
        self._folder = user_path(folder)
        whole, self.skipped = readable_images(self._folder)
        self._paths = part_of(whole, part)
        if not self._paths:
            raise DataError(
                f"{len(whole)} images in {folder} are too few for a validation part.",
                f"It is every {_EVERY}th image. For all of them: --set data.part=all",
            )

    @property
    def files(self) -> dict[str, Path]:
        """All images by name."""
        return {path.relative_to(self._folder).as_posix(): path for path in self._paths}

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        path = self._paths[index]
        return Sample(path.relative_to(self._folder).as_posix(), read_photo(path))


def part_of(paths: list[Path], part: Part) -> list[Path]:
    """Those of a part, in the order of the whole."""
    if part == "all":
        return paths
    held = set(sorted(paths, key=lambda path: (path.name, path))[_EVERY // 2 :: _EVERY])
    return [path for path in paths if (path in held) == (part == "validation")]


def readable_images(folder: Path) -> tuple[list[Path], tuple[tuple[str, str], ...]]:
    """Images below a folder, in order, and what only has the name of one: (name, reason).

    Raises:
        DataError: There is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Name a folder of photographs: --data DIR")
    reasons = {path: why_unreadable(path) for path in find_images(folder)}
    paths = [path for path, (reason, _) in reasons.items() if not reason]
    if not paths:
        broken = f": none of its {len(reasons)} image files can be read" if reasons else ""
        raise DataError(
            f"There is no image in {folder}{broken}.",
            f"Subfolders are searched too; {READ} files are read.",
        )
    return paths, tuple(
        (path.relative_to(folder).as_posix(), f"{reason}. {way_out}" if way_out else reason)
        for path, (reason, way_out) in reasons.items()
        if reason
    )
