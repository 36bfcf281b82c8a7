"""Checks a dataset by reading all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from toolkit.abilities import HasPublishedCount
from toolkit.contracts import read
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Dataset, Sample
from toolkit.members import length, skipped

SCALE = 4
"""HR pixels per LR pixel along each side."""


@dataclass(frozen=True)
class Checked:
    """The result of a check.

    Attributes:
        name: Name of the dataset.
        count: Number of photographs that could be read.
        expected: Published number of photographs; None if unknown.
        pairs: Number of LR images with an original.
        smallest: Width and height of the smallest original, or LR image if there is no original.
        largest: Width and height of the largest.
        faults: Problems: (file, reason).
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
        dataset: The dataset. If it has a `published_count`, the number of photographs is checked.
        on_photo: Called before each photograph with a label, its index, and the number of
            photographs.
    """
    faults = skipped(dataset)
    sizes: list[tuple[int, int]] = []
    pairs = 0
    for index in range(length(dataset)):
        label = f"photograph {index + 1}"
        on_photo(label, index, length(dataset))
        try:
            sample = read(dataset, index)
        except (ImageError, DataError) as error:
            faults.append((label, str(error)))
            continue
        sizes.append(_size(sample))
        pairs += bool(sample.lr is not None and sample.hr.numel())
        if reason := _wrong_scale(sample):
            faults.append((sample.name, reason))
    expected = dataset.published_count if isinstance(dataset, HasPublishedCount) else None
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
