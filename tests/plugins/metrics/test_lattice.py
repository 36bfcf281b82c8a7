"""The lattice metric: what repeats at the period, and nothing else."""

import pytest
import torch

import toolkit
from toolkit.errors import DataError


def noise(side=256):
    return 0.25 + 0.5 * torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


def dots(period, side=256):
    image = torch.zeros(side, side)
    image[::period, ::period] = 1.0
    return image


@pytest.mark.parametrize("period", [4, 8])
def test_it_grows_with_the_lattice_of_its_own_period(period):
    metric = toolkit.make("metric", f"lattice:{period}")
    found = [metric(noise() + strength * dots(period)).item() for strength in (0, 0.05, 0.2)]
    assert abs(found[0]) < 3
    assert found[0] + 3 < found[1]
    assert found[1] + 10 < found[2]


def test_what_repeats_at_another_period_is_none():
    metric = toolkit.make("metric", "lattice:4")
    assert metric(noise() + 0.2 * dots(7)).item() < 3


def test_sides_need_be_no_multiple_of_the_period():
    metric = toolkit.make("metric", "lattice:4")
    image = (noise() + 0.2 * dots(4))[..., 1:254, 3:]
    assert metric(image).item() > 10


def test_flat_images_have_a_figure():
    assert toolkit.make("metric", "lattice")(torch.full((1, 3, 128, 160), 0.5)).item() == 0


def test_each_image_of_a_batch_has_its_own_figure():
    metric = toolkit.make("metric", "lattice")
    plain, dotted = noise(), noise() + 0.2 * dots(4)
    both = metric(torch.cat([plain, dotted]))
    assert both.tolist() == pytest.approx([metric(plain).item(), metric(dotted).item()])


def test_too_few_periods_are_named():
    with pytest.raises(DataError, match="100x128 pixels are too few to find a lattice of 4 px"):
        toolkit.make("metric", "lattice")(torch.rand(1, 3, 128, 100))
