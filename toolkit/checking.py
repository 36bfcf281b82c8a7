"""Reads a dataset from end to end and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.contracts import read
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Dataset, Sample

SCALE = 4
"""HR pixels per LR pixel, on a side."""


@dataclass(frozen=True)
class Checked:
    """What a dataset turned out to be.

    Attributes:
        name: Its own.
        count: How many photographs were read.
        expected: How many it has where it is whole; None where that is not known.
        pairs: How many of them have an LR image and its original.
        smallest: Of the originals, or of the LR images where there are none: width, height.
        largest: The same of the largest.
        faults: What is wrong: (file, reason).
    """

    name: str
    count: int
    expected: int | None
    pairs: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    faults: tuple[tuple[str, str], ...]


def check_dataset(
    dataset: Dataset, on_photo: Callable[[str, int, int], None] = lambda _name, _done, _total: None
) -> Checked:
    """Reads all photographs of a dataset.

    Args:
        dataset: Any. One that others publish may name its `published_count`: how many
            photographs it has where it is whole.
        on_photo: Told which is being read, how many were, and how many there are.
    """
    faults = list(dataset.skipped)
    sizes: list[tuple[int, int]] = []
    pairs = 0
    for index in range(len(dataset)):
        named = f"photograph {index + 1}"
        on_photo(named, index, len(dataset))
        try:
            sample = read(dataset, index)
        except (ImageError, DataError) as error:
            faults.append((named, str(error)))
            continue
        sizes.append(_size(sample))
        pairs += bool(sample.lr is not None and sample.hr.numel())
        if reason := _wrong_scale(sample):
            faults.append((sample.name, reason))
    expected: int | None = getattr(dataset, "published_count", None)
    if expected not in (None, len(sizes)):
        faults.insert(0, (dataset.name, f"{len(sizes)} could be read, not {expected}"))
    by_area = sorted(sizes, key=lambda size: size[0] * size[1]) or [(0, 0)]
    return Checked(
        dataset.name, len(sizes), expected, pairs, by_area[0], by_area[-1], tuple(faults)
    )


def _size(sample: Sample) -> tuple[int, int]:
    image = sample.hr if sample.hr.numel() or sample.lr is None else sample.lr
    return image.shape[2], image.shape[1]


def _wrong_scale(sample: Sample) -> str:
    if sample.lr is None or not sample.hr.numel():
        return ""
    factor = sample.hr.shape[1] / sample.lr.shape[1]
    return "" if factor == SCALE else f"HR is {factor:g} times as large as LR, not {SCALE} times"
