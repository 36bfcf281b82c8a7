"""Datasets that others publish: how each is laid out, and where a user gets it.

None is fetched: their licences forbid redistribution, or their homes ask for an agreement.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError
from toolkit.interfaces import Dataset, Sample
from toolkit.paths import user_path


@dataclass(frozen=True)
class Published:
    """A dataset as its authors lay it out.

    Attributes:
        name: What it is called here.
        summary: What it is.
        origin: Where a user gets it.
        licence: As its authors have it.
        places: Folders that hold its images, below its own; of each, other names that it has.
        count: How many photographs it has; pairs count once.
        holds: HR images, LR images, or pairs of both.
        first: Of a larger dataset, how many are taken, in the order of their names.
    """

    name: str
    summary: str
    origin: str
    licence: str
    places: tuple[tuple[str, ...], ...]
    count: int
    holds: str = "hr"
    first: int | None = None


REALSR = Published(
    name="realsr",
    summary="RealSR (V3): 100 test pairs at x4, by Canon and Nikon",
    origin="github.com/csjcai/RealSR has its address: take version 3 and unpack it",
    licence="for research; see its home",
    places=(
        ("Canon/Test/4", "RealSR(V3)/Canon/Test/4"),
        ("Nikon/Test/4", "RealSR(V3)/Nikon/Test/4"),
    ),
    count=100,
    holds="pairs",
)
DREALSR = Published(
    name="drealsr",
    summary="DRealSR: 93 test pairs at x4, by five cameras",
    origin="github.com/xiezw5/Component-Divide-and-Conquer-for-Real-World-Image-Super-Resolution "
    "has its address: take the test set at x4 and unpack it",
    licence="for research; see its home",
    places=(("Test_x4", "x4/Test_x4", "."),),
    count=93,
    holds="pairs",
)
REALSET65 = Published(
    name="realset65",
    summary="RealSet65: 65 photographs without an original",
    origin="github.com/zsyOAOA/ResShift has it: take its folder testdata/RealSet65",
    licence="S-Lab License 1.0, not for commercial use",
    places=(("RealSet65", "testdata/RealSet65", "."),),
    count=65,
    holds="lr",
)
LSDIR = Published(
    name="lsdir",
    summary="LSDIR: 84,991 photographs to train on",
    origin="ofsoundof.github.io/lsdir-data has its address: take all HR training images",
    licence="for research; see its home",
    places=(("HR/train", "train", "."),),
    count=84_991,
)
FFHQ10K = Published(
    name="ffhq10k",
    summary="The first 10,000 faces of FFHQ, 1024 px, to train on",
    origin="github.com/NVlabs/ffhq-dataset has its address: take images1024x1024",
    licence="CC-BY-NC-SA-4.0",
    places=(("images1024x1024", "."),),
    count=10_000,
    first=10_000,
)
PUBLISHED = (REALSR, DREALSR, REALSET65, LSDIR, FFHQ10K)


def open_published(published: Published, folder: Path | None) -> Dataset:
    """The dataset, in a folder, or else in `$TOOLKIT_DATA` or `data`, under its own name.

    Raises:
        DataError: It is not there, or a folder of it is missing or empty; says where to get it.
    """
    home = user_path(os.environ.get("TOOLKIT_DATA", "data"))
    place = user_path(folder) if folder else home / published.name
    if not place.is_dir():
        raise DataError(
            f"The dataset {published.name} is not in {place}.",
            f"{published.origin}. Then name its folder, {published.name}:DIR, or put it there.",
        )
    parts = [_part(published, place, names) for names in published.places]
    return Joined(published.name, parts, published.count, published.first)


def _part(published: Published, place: Path, names: Sequence[str]) -> Dataset:
    from toolkit_photos.folder import ImageFolder
    from toolkit_photos.pairs import RecordedPairs

    found = next((place / name for name in names if (place / name).is_dir()), None)
    if found is None:
        raise DataError(
            f"{place} lacks the folder {names[0]} of {published.name}.", f"{published.origin}."
        )
    if published.holds == "pairs":
        return RecordedPairs(found)
    images = ImageFolder(published.name, found)
    return LowResolution(images) if published.holds == "lr" else images


class LowResolution:
    """Images of a dataset as LR images whose originals nobody has: HR is empty, `[3, 0, 0]`.

    Args:
        images: Gives them as HR images.
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
    """Datasets as one, one after the other.

    Args:
        name: What it is called.
        parts: In order.
        published_count: How many photographs it has where it is whole.
        first: How many are taken; None for all.
    """

    def __init__(
        self, name: str, parts: Sequence[Dataset], published_count: int, first: int | None = None
    ) -> None:
        self.name, self.published_count = name, published_count
        self._parts = parts
        whole = sum(map(len, parts))
        self._count = whole if first is None else min(first, whole)
        self.skipped = tuple(each for part in parts for each in part.skipped)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < self._count:
            raise IndexError(index)
        place = index
        for part in self._parts:
            if place < len(part):
                return part[place]
            place -= len(part)
        raise IndexError(index)
