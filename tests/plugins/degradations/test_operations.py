"""Resizing and sharpening, each against what it should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from toolkit_degradations.history import Resize
from toolkit_degradations.operations import resize, sharpen


@pytest.fixture
def photo():
    """Smooth shapes with edges and a little texture, `[1, 3, 64, 48]`."""
    y, x = np.mgrid[:64, :48] / 64
    planes = [0.5 + 0.4 * np.sin(9 * x + k) * np.cos(7 * y - k) for k in range(3)]
    image = np.stack(planes)
    image[:, 20:40, 10:30] = np.array([0.9, 0.2, 0.1])[:, None, None]
    texture = np.random.default_rng(0).normal(0, 0.01, image.shape)
    return torch.from_numpy(np.clip(image + texture, 0, 1)).float()[None]


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
@pytest.mark.parametrize("factor", [0.15, 0.37, 0.999, 1.0, 1.31])
def test_a_factor_of_the_image_places_the_samples(photo, mode, factor):
    expected = interpolate(photo, scale_factor=factor, mode=mode)
    resized = resize(photo, Resize(mode=mode, factor=factor), (16, 12))
    torch.testing.assert_close(resized, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_a_factor_that_leaves_the_size_is_torchs_too(mode):
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    resized = resize(image, Resize(mode=mode, factor=1.1), (2, 2))
    assert torch.equal(resized, interpolate(image, scale_factor=1.1, mode=mode))


@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic"])
def test_a_factor_of_the_lr_image_gives_a_size(photo, mode):
    resized = resize(photo, Resize(mode=mode, factor=0.77, of="lr"), (16, 12))
    expected = interpolate(photo, size=(12, 9), mode=mode)
    torch.testing.assert_close(resized, expected, atol=1e-6, rtol=0)


def test_area_averages_and_nearest_takes_every_nth_pixel(photo):
    averaged = resize(photo, Resize(mode="area", of="lr"), (16, 12))
    torch.testing.assert_close(averaged, torch.nn.functional.avg_pool2d(photo, 4))
    taken = resize(photo, Resize(mode="nearest", factor=0.25), (16, 12))
    assert torch.equal(taken, photo[..., ::4, ::4])


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 2)])
@pytest.mark.parametrize("mode", ["area", "bilinear", "bicubic", "antialiased", "nearest"])
def test_nothing_shrinks_below_one_pixel(size, mode):
    image = torch.full((1, 3, *size), 0.3)
    small = resize(image, Resize(mode=mode, factor=0.001), size)
    torch.testing.assert_close(small, torch.full((1, 3, 1, 1), 0.3))


def test_sharpen_matches_its_formula(photo):
    offsets = np.arange(51) - 25
    line = np.exp(-(offsets**2) / (2 * 8.0**2))
    line /= line.sum()

    def blur(image):
        padded = np.pad(image, ((0, 0), (25, 25), (25, 25)), mode="reflect")
        down = sum(line[k] * padded[:, k : k + image.shape[1]] for k in range(51))
        return sum(line[k] * down[:, :, k : k + image.shape[2]] for k in range(51))

    plain = photo[0].double().numpy()
    residual = plain - blur(plain)
    mask = blur((np.abs(residual) * 255 > 10).astype(np.float64))
    sharp = np.clip(plain + 0.5 * residual, 0, 1)
    expected = mask * sharp + (1 - mask) * plain
    np.testing.assert_allclose(sharpen(photo)[0].numpy(), expected, atol=1e-4)


def test_sharpen_steepens_an_edge_and_leaves_faint_texture():
    image = torch.full((1, 3, 64, 64), 0.4)
    image[..., 32:] = 0.6
    before, after = ((one[..., 32] - one[..., 31]).mean() for one in (image, sharpen(image)))
    assert after > before * 1.2
    faint = torch.full((1, 3, 64, 64), 0.5)
    faint[:, :, ::2] += 0.01
    torch.testing.assert_close(sharpen(faint), faint, atol=1e-6, rtol=0)
