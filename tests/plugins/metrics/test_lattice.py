"""The lattice metric: what repeats at the period, and nothing else."""

import doctest
import itertools

import numpy as np
import pytest
import torch

import toolkit
from toolkit.errors import DataError
from toolkit_metrics import lattice


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
    plain, dotted = noise(), 0.5 * noise().flip(2) + 0.2 * dots(4)
    both = metric(torch.cat([plain, dotted]))
    assert both.tolist() == pytest.approx([metric(plain).item(), metric(dotted).item()])


def test_too_few_periods_are_named():
    with pytest.raises(DataError, match="100x128 pixels is too small for the metric lattice:4"):
        toolkit.make("metric", "lattice")(torch.rand(1, 3, 128, 100))


def test_it_is_its_definition_computed_place_by_place():
    image = (noise(160) + 0.1 * dots(3, 160))[..., :129]
    luma = np.tensordot([65.481, 128.553, 24.966], image[0].double().numpy(), 1)
    hann = np.sin(np.pi * np.arange(96) / 96) ** 2
    window, windows = np.outer(hann, hann), []
    for top, left in itertools.product((0, 48), (0,)):
        piece = luma[top : top + 96, left : left + 96]
        windows.append(abs(np.fft.fft2((piece - piece.mean()) * window)) ** 2)
    power = np.mean(windows, 0) + (window**2).sum() / 12  # what rounding to integers leaves
    near = [each for each in itertools.product(range(-8, 9), repeat=2) if max(map(abs, each)) > 2]
    places = [each for each in itertools.product((0, 32, 64), repeat=2) if any(each)]
    quotients = [
        power[y, x] / np.mean([power[(y + down) % 96, (x + right) % 96] for down, right in near])
        for y, x in places
    ]
    found = toolkit.make("metric", "lattice:3")(image).item()
    assert found == pytest.approx(10 * np.log10(np.mean(quotients)), rel=1e-6)


def test_the_example_runs():
    assert doctest.testmod(lattice).failed == 0
