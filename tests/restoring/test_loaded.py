"""Restoring from Python."""

import numpy as np
import pytest
import torch
from PIL import Image

import toolkit
from toolkit.errors import OptionsError, UnknownComponentError, UsageError
from toolkit.images import bicubic_resize
from toolkit.restoring.loaded import Loaded

RNG = np.random.default_rng(0)


class Counting:
    """Bicubic; keeps the shapes that it is called with."""

    name, scale = "counting", 4

    def __init__(self):
        self.shapes = []

    def __call__(self, lr):
        self.shapes.append(tuple(lr.shape))
        return bicubic_resize(lr, 4).clamp(0, 1)


@pytest.fixture
def counting():
    return Loaded(Counting(), torch.device("cpu"))


def opened(file):
    with Image.open(file) as image:
        image.load()
    return image


def array(height=10, width=8):
    return RNG.integers(0, 256, (height, width, 3), np.uint8)


def test_a_restorer_by_name():
    loaded = toolkit.load("bicubic")
    assert (loaded.name, loaded.scale, loaded.device.type) == ("bicubic", 4, "cpu")
    given = array()
    made = loaded(given)
    lr = torch.from_numpy(given).permute(2, 0, 1)[None] / 255
    wanted = bicubic_resize(lr, 4).clamp(0, 1)[0].permute(1, 2, 0) * 255
    assert np.abs(made - wanted.numpy()).max() < 6  # the colours were matched
    assert made.dtype == np.uint8


def test_the_same_in_one_call(tmp_path):
    Image.fromarray(array()).save(tmp_path / "a.png")
    made = toolkit.restore(tmp_path / "a.png", "bicubic", scale=2, colour="none")
    assert made.size == (16, 20)
    again = toolkit.load("bicubic")(opened(tmp_path / "a.png"), scale=2, colour="none")
    assert made.tobytes() == again.tobytes()


def test_images_of_one_size_go_through_together(counting):
    images = [array(), array(5, 7), array(), np.zeros((5, 7), np.uint8)]
    made = counting(images, colour="none")
    assert sorted(counting.restorer.shapes) == [(2, 3, 5, 7), (2, 3, 10, 8)]
    assert [each.shape for each in made] == [(40, 32, 3), (20, 28, 3), (40, 32, 3), (20, 28)]
    alone = [counting(image, colour="none") for image in images]
    for one, other in zip(made, alone, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_stay_batches(counting):
    batch = np.stack([array(), array()])
    assert counting(batch).shape == (2, 40, 32, 3)
    made = counting(torch.rand(3, 3, 4, 5), scale=1)
    assert made.shape == (3, 3, 4, 5)
    assert counting([]) == []


def test_progress_is_told_for_images_of_each_size(counting):
    told = []
    counting([array(20, 20), array(8, 8)], tile=12, on_tile=lambda *each: told.append(each))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4), (1, 1)]


def test_it_moves_to_another_device():
    loaded = toolkit.load("bicubic", device="cpu")
    moved = loaded.to("meta")
    assert (moved.device.type, moved.restorer) == ("meta", loaded.restorer)
    with pytest.raises(UsageError, match="no device 'nowhere'"):
        loaded.to("nowhere")


def test_strength(counting):
    image = torch.rand(3, 9, 9)
    none, half, full = (counting(image, strength=s, colour="none") for s in (0.0, 0.5, 1.0))
    torch.testing.assert_close(half, (none + full) / 2)


def test_a_restorer_with_a_dial_of_its_own_uses_it(counting):
    asked = []

    class Dialled(Counting):
        def with_strength(self, strength):
            asked.append(strength)
            return self

    image = torch.rand(3, 9, 9)
    loaded = Loaded(Dialled(), torch.device("cpu"))
    torch.testing.assert_close(loaded(image, strength=0.3), counting(image))
    loaded(image)
    assert asked == [0.3]


def test_mistakes(counting):
    with pytest.raises(UsageError, match=r"strength 1\.5"):
        counting(array(), strength=1.5)
    with pytest.raises(UsageError, match="4 times at most"):
        counting(array(), scale=5)
    with pytest.raises(UnknownComponentError, match="no such restorer"):
        toolkit.load("no-such-thing")
    with pytest.raises(OptionsError, match="blur"):
        toolkit.load("bicubic", blur=3)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        toolkit.nothing  # noqa: B018
