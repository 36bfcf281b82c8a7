"""Samples by number: many at once are the same as one by one."""

import pytest
import torch

import toolkit
from toolkit.abilities import Replayable
from toolkit.degrading.samples import degrade
from toolkit.streams import stream

SEED, INDICES = 5, [9, 2, 2, 40]


def images():
    return torch.rand(4, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def assert_one_by_one(degradation):
    together = degrade(degradation, images(), SEED, INDICES)
    for lr, hr, index in zip(together, images(), INDICES, strict=True):
        assert torch.equal(lr, degradation(hr, stream(SEED, "degradation", index)))
    backwards = degrade(degradation, images().flip(0), SEED, INDICES[::-1]).flip(0)
    assert torch.equal(together, backwards)


@pytest.mark.parametrize("name", ["realesrgan", "bsrgan", "bicubic+noise", "jpeg", "bicubic"])
def test_a_batch_is_its_samples(name):
    degradation = toolkit.make("degradation", name)
    assert isinstance(degradation, Replayable)
    assert_one_by_one(degradation)


def test_what_can_only_be_called_is_called_one_by_one(plain):
    assert not isinstance(plain, Replayable)
    assert_one_by_one(plain)


def test_what_can_do_many_at_once_is_asked_once(plain):
    asked = []

    class Counted(type(plain)):
        def describe(self, seed, index):
            raise AssertionError

        def apply(self, hr, history):
            raise AssertionError

        def batch(self, hr, seed, indices):
            asked.append((tuple(hr.shape), seed, indices))
            return hr[:, :, ::2, ::2]

    degrade(Counted(), images(), SEED, INDICES)
    assert asked == [((4, 3, 32, 48), SEED, INDICES)]


def test_seed_and_index_decide():
    degradation = toolkit.make("degradation", "bicubic+noise")
    hr = images()[:1]
    first = degrade(degradation, hr, 0, [0])
    assert torch.equal(first, degrade(degradation, hr, 0, [0]))
    assert not torch.equal(first, degrade(degradation, hr, 0, [1]))
    assert not torch.equal(first, degrade(degradation, hr, 1, [0]))
