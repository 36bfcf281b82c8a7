"""Noise: its spread, its grayness, its channels, and photons counted as Poisson would."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from toolkit_degradations.history import GaussianNoise, PoissonNoise
from toolkit_degradations.noise import count_photons, gaussian_noise, shot_noise

FLAT = torch.full((3, 128, 128), 0.5)


def two_levels():
    image = FLAT.clone()
    image[:, :, ::2] = 0.25
    return image


def test_gaussian_noise_has_the_given_standard_deviation():
    added = gaussian_noise(FLAT, GaussianNoise(sigma=12, seed=0))
    assert added.std().item() * 255 == pytest.approx(12, rel=0.02)
    assert added.mean().item() * 255 == pytest.approx(0, abs=0.2)


def test_gray_noise_has_one_channel_and_colour_noise_three_of_their_own():
    for make, record in ((gaussian_noise, GaussianNoise), (shot_noise, PoissonNoise)):
        strength = {"sigma": 5} if record is GaussianNoise else {"scale": 1}
        gray = make(two_levels(), record(gray=True, seed=3, **strength))
        colour = make(two_levels(), record(seed=3, **strength))
        assert gray.shape == (1, 128, 128)
        assert gray.std() > 0.005
        correlation = np.corrcoef(colour.flatten(1).numpy())
        assert abs(correlation[0, 1]) < 0.05


def test_channels_go_together_as_the_covariance_says():
    covariance = ((1.0, 0.8, 0.0), (0.8, 1.0, 0.1), (0.0, 0.1, 0.5))
    noise = GaussianNoise(sigma=25, covariance=covariance, seed=1)
    added = gaussian_noise(torch.zeros(3, 300, 300), noise).flatten(1).numpy() * 255
    np.testing.assert_allclose(np.cov(added) / 625, covariance, atol=0.02)


def test_noise_depends_on_its_seed_alone():
    first, again, other = (
        shot_noise(two_levels(), PoissonNoise(scale=1, seed=seed)) for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_shot_noise_has_the_variance_of_photons():
    """All 256 levels stand for 256 photons: the variance is the value / 256."""
    image = (torch.arange(256.0) / 255)[None, :, None].repeat(3, 1, 1500)
    noise = shot_noise(image, PoissonNoise(scale=1, seed=0))
    for level in (16, 100, 200):
        assert noise[:, level].var().item() == pytest.approx(level / 255 / 256, rel=0.15)
        assert noise[:, level].mean().item() == pytest.approx(0, abs=0.005)


@pytest.mark.parametrize(("distinct", "photons"), [(1, 1), (2, 2), (3, 4), (128, 128), (129, 256)])
def test_photons_are_the_distinct_levels_rounded_up_to_a_power_of_two(distinct, photons):
    levels = torch.arange(distinct).repeat(4000 // distinct + 1)[:4000] + 127 * (distinct < 128)
    image = (levels.float() / 255).view(1, 40, 100).repeat(3, 1, 1)
    noise = shot_noise(image, PoissonNoise(scale=1, seed=0))
    steps = (noise + (levels / 255).view(1, 40, 100)) * photons
    torch.testing.assert_close(steps, steps.round(), atol=2e-2, rtol=0)


@pytest.mark.parametrize("photons", [1, 2, 16, 256])
@pytest.mark.parametrize("level", [0, 1, 100, 255])
def test_photons_are_counted_as_poisson_says(photons, level):
    count, mean = 200_000, level * photons / 255
    rng = torch.Generator().manual_seed(7)
    levels = torch.full((count,), level, dtype=torch.uint8)
    counted = count_photons(levels, photons, torch.rand(count, generator=rng)).int().numpy()
    seen = np.bincount(counted)
    places = np.arange(len(seen))
    logs = places * math.log(max(mean, 1e-300)) - mean - [math.lgamma(k + 1) for k in places]
    expected = count * np.exp(logs)
    common = expected > 10
    chi = float(((seen - expected)[common] ** 2 / expected[common]).sum())
    degrees = max(int(common.sum()) - 1, 1)
    assert chi < degrees + 4.5 * math.sqrt(2 * degrees) + 1


def test_the_ends_of_the_uniform_numbers_are_counted_too():
    uniform = torch.tensor([0.0, 1 - 2**-24])
    for level in (0, 255):
        counts = count_photons(torch.full((2,), level, dtype=torch.uint8), 256, uniform)
        assert counts.isfinite().all()
        assert counts[0] <= counts[1] <= 256 + 8 * 16 + 16
