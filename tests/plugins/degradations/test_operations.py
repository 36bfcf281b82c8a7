"""Filters, resizing, noise, JPEG and sharpening, each against what it should be."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from toolkit_degradations import kernels, operations
from toolkit_degradations.history import Noise


@pytest.fixture
def photo():
    """Smooth shapes with edges and a little texture, `[64, 48, 3]`."""
    y, x = np.mgrid[:64, :48] / 64
    planes = [0.5 + 0.4 * np.sin(9 * x + k) * np.cos(7 * y - k) for k in range(3)]
    image = np.stack(planes, axis=2)
    image[20:40, 10:30] = (0.9, 0.2, 0.1)
    texture = np.random.default_rng(0).normal(0, 0.01, image.shape)
    return np.clip(image + texture, 0, 1).astype(np.float32)


@pytest.mark.parametrize("module", [kernels, operations])
def test_examples_in_the_docstrings_hold(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_convolve_is_a_weighted_sum_over_a_mirrored_border(photo):
    taps = np.random.default_rng(1).random((5, 5), dtype=np.float32)
    padded = np.pad(photo, ((2, 2), (2, 2), (0, 0)), mode="reflect")
    expected = sum(taps[i, j] * padded[i : i + 64, j : j + 48] for i in range(5) for j in range(5))
    np.testing.assert_allclose(operations.convolve(photo, taps), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (3, 2), (10, 7)])
def test_convolve_takes_images_smaller_than_the_kernel(size):
    image = np.full((*size, 3), 0.3, np.float32)
    filtered = operations.convolve(image, kernels.sinc_kernel(21, 1.0))
    assert filtered.shape == image.shape
    np.testing.assert_allclose(filtered, image, atol=1e-5)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(23, 17), (96, 72)])
def test_resize_agrees_with_torch_without_antialiasing(photo, mode, size):
    tensor = torch.from_numpy(photo).permute(2, 0, 1)[None]
    expected = interpolate(tensor, size=size, mode=mode, align_corners=False)[0].permute(1, 2, 0)
    np.testing.assert_allclose(operations.resize(photo, *size, mode), expected, atol=1e-4)


def test_resize_by_area_averages(photo):
    expected = photo.reshape(16, 4, 12, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(operations.resize(photo, 16, 12, "area"), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["gaussian", "poisson"])
def test_gray_noise_is_equal_across_channels_and_colour_noise_is_not(kind):
    image = np.full((32, 32, 3), 0.5, np.float32)
    strength = 5 if kind == "gaussian" else 0.5
    # A second level, so that the Poisson noise has more than one photon to count.
    image[:, ::2] = 0.25
    gray, colour = (
        operations.add_noise(image, Noise(kind=kind, strength=strength, gray=is_gray, seed=3))
        - image
        for is_gray in (True, False)
    )
    np.testing.assert_allclose(gray, np.broadcast_to(gray[..., :1], gray.shape), atol=1e-6)
    assert gray.std() > 0.01
    assert np.abs(colour[..., 0] - colour[..., 1]).max() > 0.01


def test_gaussian_noise_has_the_given_standard_deviation():
    image = np.full((128, 128, 3), 0.5, np.float32)
    noise = Noise(kind="gaussian", strength=12, gray=False, seed=0)
    added = operations.add_noise(image, noise) - image
    assert added.std() * 255 == pytest.approx(12, rel=0.02)
    assert added.mean() * 255 == pytest.approx(0, abs=0.2)


def test_shot_noise_has_the_variance_of_photons():
    """All 256 levels stand for 256 photons: variance is value / 256."""
    image = np.repeat(np.arange(256, dtype=np.float32)[:, None] / 255, 4000, axis=1)
    noise = operations.shot_noise(image, np.random.default_rng(0))
    for level in (16, 100, 200):
        assert noise[level].var() == pytest.approx(level / 255 / 256, rel=0.15)
        assert noise[level].mean() == pytest.approx(0, abs=0.005)


def test_noise_depends_on_its_seed_alone(photo):
    noise = [Noise(kind="poisson", strength=1, gray=False, seed=seed) for seed in (1, 1, 2)]
    first, again, other = (operations.add_noise(photo, one) for one in noise)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_jpeg_loses_more_at_lower_quality(photo):
    errors = [
        np.square(operations.jpeg(photo, quality) - photo).mean() for quality in (95, 75, 50, 30, 5)
    ]
    assert errors == sorted(errors)
    assert 0 < errors[0] < errors[-1]


def test_jpeg_keeps_channels_in_order():
    red = np.zeros((16, 16, 3), np.float32)
    red[..., 0] = 0.8
    np.testing.assert_allclose(operations.jpeg(red, 95), red, atol=0.02)


def test_sharpen_matches_its_formula(photo):
    offsets = np.arange(51) - 25
    line = np.exp(-(offsets**2) / (2 * 8.0**2))
    line /= line.sum()

    def blur(image):
        padded = np.pad(image, ((25, 25), (25, 25), (0, 0)), mode="reflect")
        down = sum(line[k] * padded[k : k + image.shape[0]] for k in range(51))
        return sum(line[k] * down[:, k : k + image.shape[1]] for k in range(51))

    residual = photo - blur(photo)
    mask = blur((np.abs(residual) * 255 > 10).astype(np.float64))
    sharp = np.clip(photo + 0.5 * residual, 0, 1)
    expected = mask * sharp + (1 - mask) * photo
    np.testing.assert_allclose(operations.sharpen(photo), expected, atol=1e-4)


def test_sharpen_steepens_an_edge_and_leaves_faint_texture():
    image = np.full((64, 64, 3), 0.4, np.float32)
    image[:, 32:] = 0.6
    sharpened = operations.sharpen(image)
    steps = [math.fabs(float(one[32, 32, 0] - one[32, 31, 0])) for one in (image, sharpened)]
    assert steps[1] > steps[0] * 1.2
    faint = np.full((64, 64, 3), 0.5, np.float32)
    faint[::2] += 0.01
    np.testing.assert_array_equal(operations.sharpen(faint), faint)
