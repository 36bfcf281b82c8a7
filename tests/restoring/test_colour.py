"""Colours that drift are mended, and detail is not."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import UsageError
from toolkit.images import bicubic_resize
from toolkit.restoring import colour
from toolkit.restoring.colour import (
    COLOUR_METHODS,
    low_frequencies,
    match_colour,
    matched_strips,
)


def scene(seed=0):
    rng = torch.Generator().manual_seed(seed)
    smooth = bicubic_resize(torch.rand(1, 3, 4, 5, generator=rng), 32)
    return (0.2 + 0.6 * smooth + 0.04 * torch.randn(1, 3, 128, 160, generator=rng)).clamp(0, 1)


def error(first, second):
    return (first - second).abs().mean().item()


@pytest.mark.parametrize("method", ["wavelet", "adain"])
def test_a_global_tint_is_mended(method):
    hr = scene()
    tinted = (hr * torch.tensor([0.85, 1.0, 0.9])[:, None, None] + 0.06).clamp(0, 1)
    mended = match_colour(tinted, bicubic_resize(hr, 0.25), method)
    assert error(mended, hr) < 0.25 * error(tinted, hr)


def test_wavelet_mends_a_local_tint():
    hr = scene()
    tinted = hr.clone()
    tinted[:, 0, :, 80:] += 0.1
    mended = match_colour(tinted, bicubic_resize(hr, 0.25), "wavelet")
    inner = (..., slice(120, 160))
    assert error(mended[inner], hr[inner]) < 0.3 * error(tinted[inner], hr[inner])


def test_wavelet_keeps_the_detail():
    sr, lr = scene() / 2 + 0.2, bicubic_resize(scene(1), 0.25) / 2 + 0.2
    checks = 0.05 * (-1) ** (torch.arange(128)[:, None] + torch.arange(160))
    detail = match_colour(sr + checks, lr, "wavelet") - match_colour(sr, lr, "wavelet")
    assert error(detail, checks) < 0.001


def test_right_colours_stay():
    hr = scene()
    for method in COLOUR_METHODS:
        assert error(match_colour(hr, bicubic_resize(hr, 0.25), method), hr) < 0.012
    assert match_colour(hr, hr, "none") is hr


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(COLOUR_METHODS))
def test_any_size(height, width, method):
    lr, sr = torch.rand(1, 3, height, width), torch.rand(1, 3, 4 * height, 4 * width)
    matched = match_colour(sr, lr, method)
    assert matched.shape == sr.shape
    assert matched.isfinite().all()
    assert 0 <= matched.min() <= matched.max() <= 1


def test_flat_images():
    flat, other = torch.full((1, 3, 64, 64), 0.2), torch.full((1, 3, 16, 16), 0.7)
    for method in ("wavelet", "adain"):
        assert torch.allclose(match_colour(flat, other, method), torch.tensor(0.7), atol=1e-5)


def test_low_frequencies_by_their_definition():
    impulse = torch.zeros(1, 1, 9, 9, dtype=torch.float64)
    impulse[..., 4, 4] = 1
    line = torch.tensor([1, 2, 3, 4, 3, 2, 1]).double() / 16  # [1 2 1] and [1 0 2 0 1], over 16
    smooth = low_frequencies(impulse, levels=2)[0, 0]
    assert torch.allclose(smooth[1:8, 1:8], line[:, None] * line)


@pytest.mark.parametrize(("height", "scale"), [(150, 4), (77, 4), (64, 4), (301, 2), (40, 1)])
def test_strips_equal_the_whole(height, scale):
    rng = torch.Generator().manual_seed(0)
    sr = torch.rand(1, 3, scale * height, 40 * scale, generator=rng)
    lr = torch.rand(1, 3, height, 40, generator=rng)
    drift = bicubic_resize(lr, (scale * height, 40 * scale)) - sr
    whole = (sr + low_frequencies(drift)).clamp(0, 1)
    torch.testing.assert_close(match_colour(sr, lr, "wavelet"), whole, atol=1e-6, rtol=0)


def test_what_is_matched_is_left_alone():
    sr, lr = scene(), bicubic_resize(scene(1), 0.25)
    for method in ("wavelet", "adain"):
        before = sr.clone()
        match_colour(sr, lr, method)
        assert torch.equal(sr, before)


@pytest.mark.parametrize("method", COLOUR_METHODS)
@pytest.mark.parametrize("rows", [1, 7, 50, 128])
def test_an_image_in_strips_is_matched_as_a_whole(method, rows):
    sr, lr = scene(), bicubic_resize(scene(1), 0.25)
    matched = list(matched_strips(iter(sr.split(rows, 2)), lr, sr.shape[-2:], method))
    torch.testing.assert_close(
        torch.cat(matched, 2), match_colour(sr, lr, method), atol=1e-6, rtol=0
    )


def test_an_unknown_method():
    with pytest.raises(UsageError, match="'hsv'") as caught:
        match_colour(scene(), scene(), "hsv")
    assert "wavelet" in caught.value.hint


def test_examples_run():
    assert doctest.testmod(colour).failed == 0
