"""A folder of images as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from toolkit.colour_profiles import read_photo
from toolkit.image_files import READ, find_images, why_unreadable
from toolkit.plugin import DataError, Sample, user_path

Part = Literal["all", "fit", "validation"]
"""All images, every eighth for validation, or the others for fitting."""
_VALIDATION_STEP = 8


class ImageFolder:
    """The images in a folder, named by relative path, upright, opaque and in sRGB.

    Files that are not images are skipped; reading a truncated image raises `ImageError`.

    Args:
        name: Name of the dataset.
        folder: Folder to search, including subfolders.
        part: Part of the images, selected by file name, regardless of subfolder.

    Raises:
        DataError: The folder does not exist, or this part of it has no images.
    """

    def __init__(self, name: str, folder: Path, part: Part = "all") -> None:
        self.name = name
        self._folder = user_path(folder)
        paths, self.skipped = readable_images(self._folder)
        self._paths = part_of(paths, part)
        if not self._paths:
            raise DataError(
                f"{len(paths)} images in {folder} are too few for a validation part.",
                f"It takes every {_VALIDATION_STEP}th image. To use all: --set data.part=all",
            )

    @property
    def files(self) -> dict[str, Path]:
        """Paths of all images by name."""
        return {path.relative_to(self._folder).as_posix(): path for path in self._paths}

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        path = self._paths[index]
        return Sample(path.relative_to(self._folder).as_posix(), read_photo(path))


def part_of(paths: list[Path], part: Part) -> list[Path]:
    """Returns the paths of a part, in order."""
    if part == "all":
        return paths
    ordered = sorted(paths, key=lambda path: (path.name, path))
    validation = set(ordered[_VALIDATION_STEP // 2 :: _VALIDATION_STEP])
    return [path for path in paths if (path in validation) == (part == "validation")]


def readable_images(folder: Path) -> tuple[list[Path], tuple[tuple[str, str], ...]]:
    """Returns sorted paths of images in a folder, and (name, reason) for unreadable files.

    Raises:
        DataError: The folder does not exist, or has no images.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Pass a folder of photographs: --data DIR")
    reasons = {path: why_unreadable(path) for path in find_images(folder)}
    paths = [path for path, (reason, _) in reasons.items() if not reason]
    if not paths:
        broken = f": none of its {len(reasons)} image files can be read" if reasons else ""
        raise DataError(
            f"There is no image in {folder}{broken}.",
            f"Supported formats, also in subfolders: {READ}.",
        )
    return paths, tuple(
        (path.relative_to(folder).as_posix(), f"{reason}. {hint}" if hint else reason)
        for path, (reason, hint) in reasons.items()
        if reason
    )
