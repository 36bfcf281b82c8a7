"""The order of the data: everything from (seed, number), nothing lost to a bad file."""

import pytest
import torch

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Sample
from toolkit.training.data import Pairs, batches


class Photos:
    """Photographs of given sizes, one number repeated; a size of None cannot be read."""

    name = "photos of the test"
    skipped = (("notes.png", "not an image"),)

    def __init__(self, *sizes):
        self.sizes = sizes

    def __len__(self):
        return len(self.sizes)

    def __getitem__(self, index):
        size = self.sizes[index]
        if size is None:
            raise ImageError(f"photo-{index}.png is torn")
        ramp = torch.linspace(0, 1, size * size).view(1, size, size)
        return Sample(f"photo-{index}.png", (ramp + index / 10).clamp(0, 1).repeat(3, 1, 1))


def pairs(*sizes, crop=32, seed=0):
    return Pairs(Photos(*sizes), toolkit.make("degradation", "bicubic"), crop, seed)


def test_a_sample_follows_from_seed_and_number_alone():
    first, second = pairs(40, 48, 64), pairs(40, 48, 64)
    backwards = [second.sample(number) for number in reversed(range(9))][::-1]
    for number in range(9):
        assert torch.equal(first.sample(number).hr, backwards[number].hr)
        assert torch.equal(first.sample(number).lr, backwards[number].lr)
    assert not torch.equal(first.sample(0).hr, pairs(40, 48, 64, seed=1).sample(0).hr)


def test_batches_are_the_samples_in_order_however_they_are_made():
    source = pairs(40, 48, 64)
    for ahead in (0, 1, 3):
        made = list(batches(source, 2, 5, 2, ahead))
        assert len(made) == 3
        for offset, batch in enumerate(made):
            expected = [source.sample((2 + offset) * 2 + i).hr for i in range(2)]
            assert torch.equal(batch.hr, torch.cat(expected))


def test_shapes_and_range():
    batch = pairs(64).batch(0, 3)
    assert batch.hr.shape == (3, 3, 32, 32)
    assert batch.lr.shape == (3, 3, 8, 8)
    assert batch.lr.min() >= 0
    assert batch.lr.max() <= 1


def test_an_epoch_shows_every_photograph_once():
    source = pairs(32, 32, 32, 32)
    levels = sorted(source.sample(number).hr[0].flatten().min().item() for number in range(4))
    assert levels == pytest.approx([0.0, 0.1, 0.2, 0.3])


def test_torn_and_small_photographs_are_set_aside_by_name():
    source = pairs(None, 16, 64)
    source.batch(0, 6)
    reasons = dict(source.skipped)
    assert reasons["notes.png"] == "not an image"
    assert "16x16 px is smaller than a crop of 32 px" in reasons["photo-1.png"]
    assert any("photo-0.png is torn" in reason for reason in reasons.values())


def test_nothing_usable_is_one_clear_error():
    with pytest.raises(DataError, match="Of the 2 images of photos of the test none can be used"):
        pairs(None, 16).check()


def test_recorded_pairs_are_cropped_alike_and_not_degraded():
    class Recorded(Photos):
        def __getitem__(self, index):
            rng = torch.Generator().manual_seed(index)
            lr = torch.rand(3, 20, 24, generator=rng)
            return Sample(str(index), lr.repeat_interleave(4, 1).repeat_interleave(4, 2), lr)

    source = Pairs(Recorded(1, 2), toolkit.make("degradation", "realesrgan"), 32, 0)
    for number in range(6):
        batch = source.sample(number)
        enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
        assert torch.equal(enlarged, batch.hr)


def test_a_crop_must_fit_the_scale():
    with pytest.raises(DataError, match="no multiple of the scale 4"):
        pairs(64, crop=30)
