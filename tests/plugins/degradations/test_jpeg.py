"""JPEG: libjpeg's own, and the differentiable one beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from toolkit_degradations.jpeg import _LUMA_STEPS, differentiable_jpeg, libjpeg


@pytest.fixture(scope="module")
def photo():
    """Smooth colours with edges and a little texture, `[3, 64, 48]`."""
    rng = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 3, 8, 6, generator=rng)
    image = torch.nn.functional.interpolate(coarse, size=(64, 48), mode="bilinear")[0]
    image[:, 20:40, 10:30] = torch.tensor([0.9, 0.2, 0.1])[:, None, None]
    return (image + 0.01 * torch.randn(image.shape, generator=rng)).clamp(0, 1)


def error(one, other):
    return (one - other).square().mean().item()


def test_both_lose_more_at_lower_quality(photo):
    for codec in (libjpeg, lambda image, q: differentiable_jpeg(image[None], [q])[0]):
        errors = [error(codec(photo, quality), photo) for quality in (95, 75, 50, 30, 5)]
        assert errors == sorted(errors)
        assert 0 < errors[0] < errors[-1]


@pytest.mark.parametrize("quality", [30, 60, 90])
def test_they_are_nearer_to_each_other_than_to_the_original(photo, quality):
    gray = photo.mean(0, keepdim=True).repeat(3, 1, 1)  # colours are enlarged in other ways
    real, ours = libjpeg(gray, quality), differentiable_jpeg(gray[None], [quality])[0]
    assert error(real, ours) < 0.8 * error(real, gray)


def test_a_block_follows_the_published_formula():
    """Gray, so that only luminance counts; each sum is written out."""
    rng = np.random.default_rng(0)
    block, steps = rng.random((16, 16)), np.array(_LUMA_STEPS).reshape(8, 8).T * 2 * (1 - 0.75)
    wave = np.array(
        [[math.cos((2 * x + 1) * u * math.pi / 16) for x in range(8)] for u in range(8)]
    )
    scale = np.where(np.arange(8) == 0, math.sqrt(0.5), 1) / 2
    expected = np.empty_like(block)
    for top in (0, 8):
        for left in (0, 8):
            pixels = block[top : top + 8, left : left + 8] * 255 - 128
            found = np.outer(scale, scale) * np.einsum("xy,ux,vy->uv", pixels, wave, wave)
            kept = np.rint(found / steps) * steps * np.outer(scale, scale)
            back = np.einsum("uv,ux,vy->xy", kept, wave, wave)
            expected[top : top + 8, left : left + 8] = (back + 128).clip(0, 255) / 255
    image = torch.from_numpy(block).float().repeat(1, 3, 1, 1)
    back = differentiable_jpeg(image, [75])[0]
    np.testing.assert_allclose(back.numpy(), np.stack([expected] * 3), atol=1e-5)


def test_channels_keep_their_order():
    red = torch.zeros(3, 16, 16)
    red[0] = 0.8
    torch.testing.assert_close(libjpeg(red, 95), red, atol=0.02, rtol=0)
    torch.testing.assert_close(differentiable_jpeg(red[None], [95])[0], red, atol=0.02, rtol=0)


@pytest.mark.parametrize("size", [(1, 1), (1, 17), (5, 3), (16, 16), (17, 33)])
def test_any_size_comes_back_in_range(size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    for quality in (1, 50, 99.9, 100):
        for back in (
            differentiable_jpeg(image, [quality, quality]),
            torch.stack([libjpeg(each, quality) for each in image]),
        ):
            assert back.shape == image.shape
            assert back.isfinite().all()
            assert 0 <= back.min() <= back.max() <= 1


def test_quality_100_loses_nothing_but_colour_detail():
    gray = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(2)).repeat(1, 3, 1, 1)
    torch.testing.assert_close(differentiable_jpeg(gray, [100]), gray, atol=2e-3, rtol=0)


def test_each_image_has_its_own_quality(photo):
    both = differentiable_jpeg(torch.stack([photo, photo]), [20, 90])
    for image, quality in zip(both, (20, 90), strict=True):
        alone = differentiable_jpeg(photo[None], [quality])[0]
        torch.testing.assert_close(image, alone, atol=1e-5, rtol=0)


def test_gradients_reach_the_image_and_leave_the_values(photo):
    image = photo.clone().requires_grad_(True)
    back = differentiable_jpeg(image[None], [40])
    torch.testing.assert_close(back, differentiable_jpeg(photo[None], [40]), atol=1e-5, rtol=0)
    (gradient,) = torch.autograd.grad(back.sum(), image)
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0
