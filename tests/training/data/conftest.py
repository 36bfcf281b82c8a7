"""Photographs for the tests of training data."""

import pytest
import torch

import toolkit
from toolkit.errors import ImageError
from toolkit.interfaces import Sample
from toolkit.training.data import Pairs


class Photos:
    """Photographs of given sizes; a size of None cannot be read."""

    name, skipped = "photos of the test", (("notes.png", "not an image"),)

    def __init__(self, *sizes):
        self.sizes = sizes

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        size = self.sizes[index]
        if size is None:
            raise ImageError(f"photo-{index}.png is torn")
        image = torch.rand(3, size, size, generator=torch.Generator().manual_seed(index))
        return Sample(f"photo-{index}.png", image)


class Stream(Photos):
    """The same, drawn in an order of its own."""

    def __getitem__(self, index):
        raise AssertionError("a streamed dataset is not indexed")

    def draw(self, seed, number, attempt):
        return super().__getitem__((7 * seed + number + attempt) % len(self.sizes))


@pytest.fixture
def photos():
    return Photos


@pytest.fixture
def stream():
    return Stream


@pytest.fixture
def pairs():
    """Makes pairs of a dataset, by default with crops of 32 pixels."""

    def make(dataset, degradation="bicubic", crop=32, seed=0, **options):
        return Pairs(dataset, toolkit.make("degradation", degradation), crop, seed, **options)

    return make


@pytest.fixture
def same():
    """Whether two sequences of batches are equal to the last bit."""

    def compare(first, second):
        first, second = list(first), list(second)
        return len(first) == len(second) > 0 and all(
            torch.equal(a.lr, b.lr) and torch.equal(a.hr, b.hr) and a[2:] == b[2:]
            for a, b in zip(first, second, strict=True)
        )

    return compare
