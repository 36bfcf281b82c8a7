"""A folder of images as a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from toolkit.colour_profiles import read_photo
from toolkit.image_files import READ, find_images, why_unreadable
from toolkit.plugin import DataError, Sample, user_path
from toolkit_photos.names import Names

Part = Literal["all", "fit", "validation"]
"""All images, every eighth for validation, or the others for fitting."""
_VALIDATION_STEP = 8
_CHECKED = 5_000
"""Largest number of files that are opened beforehand, which takes minutes for 200,000 of them."""


class ImageFolder:
    """The images in a folder, named by relative path, upright, opaque and in sRGB.

    Files that are not images are skipped; reading a truncated image raises `ImageError`, and in
    folders of more than 5,000 files so does reading one that is no image.

    Args:
        name: Name of the dataset.
        folder: Folder to search, including subfolders.
        part: Part of the images, selected by file name, regardless of subfolder.
        min_side: Shorter side to which JPEGs may be reduced while decoding; 0 for full size.

    Raises:
        DataError: The folder does not exist, or this part of it has no images.
    """

    def __init__(self, name: str, folder: Path, part: Part = "all", min_side: int = 0) -> None:
        self.name = name
        self._min_side = min_side
        self._folder = user_path(folder)
        paths, self.skipped = readable_images(self._folder)
        chosen = part_of(paths, part)
        self._names = Names(path.relative_to(self._folder).as_posix() for path in chosen)
        if not chosen:
            raise DataError(
                f"{len(paths)} images in {folder} are too few for a validation part.",
                f"It takes every {_VALIDATION_STEP}th image. To use all: --set data.part=all",
            )

    @property
    def files(self) -> dict[str, Path]:
        """Paths of all images by name."""
        return {name: self._folder / name for name in self._names}

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> Sample:
        name = self._names[index]
        return Sample(name, read_photo(self._folder / name, min_side=self._min_side))


def part_of(paths: list[Path], part: Part) -> list[Path]:
    """Returns the paths of a part, in order."""
    if part == "all":
        return paths
    ordered = sorted(paths, key=lambda path: (path.name, path))
    validation = set(ordered[_VALIDATION_STEP // 2 :: _VALIDATION_STEP])
    return [path for path in paths if (path in validation) == (part == "validation")]


def readable_images(folder: Path) -> tuple[list[Path], tuple[tuple[str, str], ...]]:
    """Returns sorted paths of images in a folder, and (name, reason) for unreadable files.

    Of more than 5,000 files none is opened: reading them tells.

    Raises:
        DataError: The folder does not exist, or has no images.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Pass a folder of photographs: --data DIR")
    found = find_images(folder)
    reasons = {path: why_unreadable(path) for path in found} if len(found) <= _CHECKED else {}
    paths = [path for path in found if not (reasons and reasons[path][0])]
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
