"""Checks of datasets."""

from __future__ import annotations

import torch

from toolkit import contracts
from toolkit.abilities import HasFiles, Streamed
from toolkit.interfaces import Dataset, Sample
from toolkit.testing.subject import Subject, demand


def shapes(subject: Subject) -> None:
    """Checks that photographs are named, `[3, h, w]`, float and in [0, 1]."""
    dataset: Dataset = subject.made
    length = len(dataset)
    demand(length > 0, "it has no photograph; `tiny` options must name some")
    names = []
    for index in {0, length - 1}:
        sample = contracts.read(dataset, index)
        names.append(sample.name)
        image = sample.hr if sample.lr is None or sample.hr.numel() else sample.lr
        demand(image.numel(), f"{sample.name} has no pixels")
        low, high = (end.item() for end in image.aminmax())
        demand(0 <= low <= high <= 1, f"an image must be in [0, 1], and is {low:.4g} to {high:.4g}")
        demand(image.dtype == torch.float32, f"an image must be float32, and is {image.dtype}")
    demand(len(set(names)) == len(names), f"two photographs have the name {names[0]!r}")
    if isinstance(dataset, HasFiles):
        lost = [name for name, path in list(dataset.files.items())[:8] if not path.exists()]
        demand(not lost, f"its files have no file for {lost[:3]}")


def determinism(subject: Subject) -> None:
    """Checks that a photograph is the same in every reading."""
    dataset: Dataset = subject.made
    _compare(*(contracts.read(dataset, 0) for _ in range(2)))
    if isinstance(dataset, Streamed):
        _compare(*(contracts.draw(dataset, 0, 3, 0) for _ in range(2)))


def _compare(first: Sample, second: Sample) -> None:
    equal = first.name == second.name and torch.equal(first.hr, second.hr)
    demand(equal, f"another reading of {first.name} gave another photograph")
