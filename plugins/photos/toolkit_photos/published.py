"""Published datasets: their folder layout and where to obtain them.

They are not downloaded automatically, as their licences forbid redistribution or require an
agreement.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.plugin import DataError, Dataset, Sample, user_path


@dataclass(frozen=True)
class Published:
    """A dataset in its published folder layout.

    Attributes:
        name: Name of the component.
        summary: Short description.
        origin: Where to obtain it.
        licence: Licence stated by its authors.
        subfolders: Relative folders of its images, each as a tuple of alternative names.
        count: Number of photographs or pairs.
        content: "hr" for HR images, "lr" for LR images, or "pairs".
        first: Number of images to use, in the order of their names; None for all.
    """

    name: str
    summary: str
    origin: str
    licence: str
    subfolders: tuple[tuple[str, ...], ...]
    count: int
    content: str = "hr"
    first: int | None = None


REALSR = Published(
    name="realsr",
    summary="RealSR (V3): 100 test pairs at x4, by Canon and Nikon",
    origin="Download version 3, linked at github.com/csjcai/RealSR, and unpack it",
    licence="for research; see its website",
    subfolders=(
        ("Canon/Test/4", "RealSR(V3)/Canon/Test/4"),
        ("Nikon/Test/4", "RealSR(V3)/Nikon/Test/4"),
    ),
    count=100,
    content="pairs",
)
DREALSR = Published(
    name="drealsr",
    summary="DRealSR: 93 test pairs at x4, by five cameras",
    origin="Download the test set at x4, linked at "
    "github.com/xiezw5/Component-Divide-and-Conquer-for-Real-World-Image-Super-Resolution, "
    "and unpack it",
    licence="for research; see its website",
    subfolders=(("Test_x4", "x4/Test_x4", "."),),
    count=93,
    content="pairs",
)
REALSET65 = Published(
    name="realset65",
    summary="RealSet65: 65 photographs without an original",
    origin="Copy the folder testdata/RealSet65 from github.com/zsyOAOA/ResShift",
    licence="S-Lab License 1.0, not for commercial use",
    subfolders=(("RealSet65", "testdata/RealSet65", "."),),
    count=65,
    content="lr",
)
LSDIR = Published(
    name="lsdir",
    summary="LSDIR: 84,991 photographs to train on",
    origin="Download all HR training images, linked at ofsoundof.github.io/lsdir-data",
    licence="for research; see its website",
    subfolders=(("HR/train", "train", "."),),
    count=84_991,
)
FFHQ10K = Published(
    name="ffhq10k",
    summary="The first 10,000 faces of FFHQ, 1024 px, to train on",
    origin="Download images1024x1024, linked at github.com/NVlabs/ffhq-dataset",
    licence="CC-BY-NC-SA-4.0",
    subfolders=(("images1024x1024", "."),),
    count=10_000,
    first=10_000,
)
PUBLISHED = (REALSR, DREALSR, REALSET65, LSDIR, FFHQ10K)


def open_published(published: Published, folder: Path | None) -> Dataset:
    """Opens a dataset in `folder`, by default its name in `$TOOLKIT_DATA` or `data`.

    Raises:
        DataError: The dataset or one of its subfolders is missing or empty; the hint tells where
            to obtain it.
    """
    home = user_path(os.environ.get("TOOLKIT_DATA", "data"))
    root = user_path(folder) if folder else home / published.name
    if not root.is_dir():
        raise DataError(
            f"The dataset {published.name} is not in {root}.",
            f"{published.origin}. Then move it there, or pass its folder: {published.name}:DIR",
        )
    parts = [_open_part(published, root, names) for names in published.subfolders]
    return Joined(published.name, parts, published.count, published.first)


def _open_part(published: Published, root: Path, names: Sequence[str]) -> Dataset:
    from toolkit_photos.folder import ImageFolder
    from toolkit_photos.pairs import RecordedPairs

    folder = next((root / name for name in names if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(
            f"{root} lacks the folder {names[0]} of {published.name}.", f"{published.origin}."
        )
    if published.content == "pairs":
        return RecordedPairs(folder)
    images = ImageFolder(published.name, folder)
    return LowResolution(images) if published.content == "lr" else images


class LowResolution:
    """A dataset of LR images without originals: HR is empty, `[3, 0, 0]`.

    Args:
        images: Dataset that returns the LR images as HR images.
    """

    def __init__(self, images: Dataset) -> None:
        self.name, self.skipped = images.name, images.skipped
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> Sample:
        name, image, _ = self._images[index]
        return Sample(name, image.new_empty(3, 0, 0), image)


class Joined:
    """A concatenation of datasets.

    Args:
        name: Name of the dataset.
        parts: Datasets in order.
        published_count: Number of photographs in a complete copy.
        first: Number of images to use; None for all.
    """

    def __init__(
        self, name: str, parts: Sequence[Dataset], published_count: int, first: int | None = None
    ) -> None:
        self.name, self.published_count = name, published_count
        self._parts = parts
        total = sum(map(len, parts))
        self._count = total if first is None else min(first, total)
        self.skipped = tuple(file for part in parts for file in part.skipped)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._count:
            raise IndexError(index)
        position = index
        for part in self._parts:
            if position < len(part):
                return part[position]
            position -= len(part)
        raise IndexError(index)
