"""The order of the data: everything from (seed, number), nothing lost to a bad file."""

import pytest
import torch

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Sample
from toolkit.streams import stream
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
        made = list(batches(source, 2, 5, 2, ahead=ahead))
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


class Recorded(Photos):
    """HR of given (width, height) with LR of given ones, None for none; LR's pixels, repeated."""

    scale = 4

    def __getitem__(self, index):
        (width, height), low = self.sizes[index]
        if low is None:
            return Sample(f"{index}.png", torch.zeros(3, height, width))
        columns, rows = low
        lr = torch.rand(3, rows, columns, generator=torch.Generator().manual_seed(index))
        hr = lr.repeat_interleave(self.scale, 1).repeat_interleave(self.scale, 2)
        return Sample(f"{index}.png", hr[:, :height, :width], lr)


FITTING = ((96, 80), (24, 20)), ((64, 128), (16, 32))


def recorded_pairs(*sizes, degradation="recorded", **options):
    return Pairs(Recorded(*sizes), toolkit.make("degradation", degradation, **options), 32, 0)


def test_recorded_pairs_are_cropped_alike_and_not_degraded():
    source = recorded_pairs(*FITTING)
    batch = source.batch(0, 12)
    enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(enlarged, batch.hr)
    assert len({hr.sum().item() for hr in batch.hr}) == 12
    assert not batch.hr.allclose(batch.hr.flip(3))


@pytest.mark.parametrize("name", ["bicubic", "realesrgan"])
def test_any_other_degradation_makes_lr_of_hr_though_lr_is_there(name):
    class Without(Recorded):
        def __getitem__(self, index):
            return super().__getitem__(index)._replace(lr=None)

    degradation = toolkit.make("degradation", name, scale=2)
    with_lr, without = (
        Pairs(dataset(*FITTING), degradation, 32, 0).batch(0, 4) for dataset in (Recorded, Without)
    )
    assert with_lr.lr.shape == (4, 3, 16, 16)
    assert torch.equal(with_lr.lr, without.lr)
    assert torch.equal(with_lr.hr, without.hr)


def test_recorded_pairs_that_do_not_fit_are_set_aside_with_the_reason():
    source = recorded_pairs(
        ((96, 76), (24, 20)), ((96, 80), (48, 40)), ((96, 80), None), ((28, 80), (7, 20)), *FITTING
    )
    source.batch(0, 6)
    reasons = dict(source.skipped)
    assert reasons.pop("notes.png") == "not an image"
    assert reasons == {
        "0.png": "its LR image has 24x20 px, not 1/4 of 96x76",
        "1.png": "its LR image has 48x40 px, not 1/4 of 96x80",
        "2.png": "it has no recorded LR image",
        "3.png": "28x80 px is smaller than a crop of 32 px",
    }


def test_hr_may_be_larger_by_less_than_an_lr_pixel():
    source = recorded_pairs(((95, 78), (23, 19)))
    batch = source.batch(0, 8)
    enlarged = batch.lr.repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert torch.equal(enlarged, batch.hr)


def test_recorded_pairs_have_the_scale_that_is_said():
    class Doubled(Recorded):
        scale = 2

    dataset = Doubled(((48, 48), (24, 24)))
    batch = Pairs(dataset, toolkit.make("degradation", "recorded", scale=2), 32, 0).sample(0)
    assert torch.equal(batch.lr.repeat_interleave(2, 2).repeat_interleave(2, 3), batch.hr)


def test_recorded_without_any_lr_says_what_to_type():
    with pytest.raises(DataError, match="it has no recorded LR image") as told:
        Pairs(Photos(64, 48), toolkit.make("degradation", "recorded"), 32, 0).check()
    assert "--data pairs:DIR" in told.value.hint
    assert "--degradation realesrgan" in told.value.hint


def degraded_pairs(name, **options):
    return Pairs(Photos(40, 48, 64), toolkit.make("degradation", name, **options), 32, 5)


@pytest.mark.parametrize("name", ["bicubic", "realesrgan", "stablesr", "bsrgan"])
def test_a_batch_is_its_samples_bit_for_bit(name):
    source = degraded_pairs(name)
    for step in (1, 0):
        batch = source.batch(step, 3)
        alone = [degraded_pairs(name).sample(3 * step + place) for place in range(3)]
        assert torch.equal(batch.lr, torch.cat([each.lr for each in alone]))
        assert torch.equal(batch.hr, torch.cat([each.hr for each in alone]))


def test_a_degradation_that_can_only_be_called_has_the_streams_of_its_samples():
    class Noise:
        scale = 4

        def __call__(self, hr, rng):
            return torch.full((3, 8, 8), rng.random())

        def target(self, hr):
            return 1 - hr

    source = Pairs(Photos(64), Noise(), 32, 5)
    batch = source.batch(2, 3)
    drawn = [stream(5, "degradation", number).random() for number in (6, 7, 8)]
    assert batch.lr[:, 0, 0, 0].tolist() == pytest.approx(drawn)
    plain = Pairs(Photos(64), toolkit.make("degradation", "bicubic"), 32, 5)
    assert torch.equal(batch.hr, 1 - plain.batch(2, 3).hr)


def test_targets_are_sharpened_where_that_is_asked():
    class Edges(Photos):
        def __getitem__(self, index):
            edge = torch.full((3, 48, 48), 0.3)
            edge[:, :, 24:] = 0.7
            return Sample("edge.png", edge)

    sharp = toolkit.make("degradation", "realesrgan", sharpen_target=True)
    blunt = toolkit.make("degradation", "realesrgan", sharpen_target=False)
    sharpened, plain = (Pairs(Edges(48), each, 32, 0).batch(0, 3) for each in (sharp, blunt))
    assert torch.equal(sharpened.lr, plain.lr)
    assert not torch.equal(sharpened.hr, plain.hr)
    assert torch.equal(sharpened.hr, torch.stack([sharp.target(hr) for hr in plain.hr]))


def test_a_crop_must_fit_the_scale():
    with pytest.raises(DataError, match="no multiple of the scale 4"):
        pairs(64, crop=30)


def test_an_empty_dataset_is_told():
    for ask in (lambda empty: empty.check(), lambda empty: empty.batch(3, 2)):
        with pytest.raises(DataError, match="photos of the test is empty") as told:
            ask(pairs())
        assert "--data DIR" in told.value.hint
