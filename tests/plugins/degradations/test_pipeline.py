"""The degradations as the core calls them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.streams import stream
from toolkit_degradations.options import BicubicOptions, RealESRGANOptions
from toolkit_degradations.plugin import _build_bicubic, _build_realesrgan

REALESRGAN = _build_realesrgan(RealESRGANOptions())
BICUBIC = _build_bicubic(BicubicOptions())


def photo(height, width, seed=0):
    """A smooth random image with an edge, `[3, h, w]`."""
    coarse = torch.rand(1, 3, 5, 5, generator=torch.Generator().manual_seed(seed))
    image = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0]
    image[:, : height // 2, : width // 2] *= 0.3
    return image.clamp(0, 1)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 24).map(lambda n: 4 * n),
    width=st.integers(1, 24).map(lambda n: 4 * n),
    counter=st.integers(0, 10_000),
)
def test_lr_has_its_shape_is_finite_and_on_the_8_bit_grid(height, width, counter):
    hr = photo(height, width, counter)
    for degradation in (REALESRGAN, BICUBIC):
        lr = degradation(hr, stream(0, "test", counter))
        assert lr.shape == (3, height // 4, width // 4)
        assert lr.dtype == torch.float32
        assert lr.isfinite().all()
        assert lr.min() >= 0
        assert lr.max() <= 1
        levels = lr * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_black_and_white_images_stay_finite(value):
    for counter in range(20):
        lr = REALESRGAN(torch.full((3, 16, 32), value), stream(0, "flat", counter))
        assert lr.isfinite().all()


def test_a_large_image_passes():
    assert REALESRGAN(photo(1024, 2048), stream(0, "large")).shape == (3, 256, 512)


def test_the_same_stream_gives_the_same_bytes_and_others_differ():
    hr = photo(64, 48)
    seen = []
    for counter in range(20):
        first, again = (REALESRGAN(hr, stream(1, "test", counter)) for _ in range(2))
        assert first.numpy().tobytes() == again.numpy().tobytes()
        seen.append(first.numpy().tobytes())
    assert len(set(seen)) == len(seen)


def test_a_history_applied_again_gives_the_same_bytes():
    hr = photo(32, 32)
    history = REALESRGAN.draw(stream(1, "test"))
    torch.testing.assert_close(
        REALESRGAN.apply(hr, history), REALESRGAN(hr, stream(1, "test")), rtol=0, atol=0
    )


def test_hr_is_left_as_it_was():
    hr = photo(32, 32)
    before = hr.clone()
    REALESRGAN(hr, stream(0, "test"))
    assert torch.equal(hr, before)


def test_lr_stays_aligned_with_hr():
    """The mean of many degradations is nearest to the bicubic LR unshifted."""
    hr = photo(96, 96, seed=4)
    clean = BICUBIC(hr, stream(0, "test"))
    mean = torch.stack([REALESRGAN(hr, stream(0, "align", i)) for i in range(40)]).mean(0)
    errors = {
        (dy, dx): float((mean.roll((dy, dx), (1, 2)) - clean)[:, 2:-2, 2:-2].square().mean())
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert min(errors, key=errors.__getitem__) == (0, 0)
    assert errors[0, 0] < 0.005


def test_channels_keep_their_order():
    red = torch.zeros(3, 32, 32)
    red[0] = 0.9
    mean = torch.stack([REALESRGAN(red, stream(0, "red", i)) for i in range(10)]).mean((0, 2, 3))
    assert mean[0] > 0.7
    assert mean[1:].max() < 0.2


def test_without_any_damage_lr_is_a_downscaled_hr():
    gentle = _build_realesrgan(
        RealESRGANOptions(
            sharpen=False,
            kernel_list=["iso"],
            kernel_prob=[1],
            blur_sigma=[0.2, 0.2],
            sinc_prob=0,
            second_blur_prob=0,
            resize_prob=[0, 0, 1],
            resize_prob2=[0, 0, 1],
            gaussian_noise_prob=1,
            gaussian_noise_prob2=1,
            noise_range=[0, 0],
            noise_range2=[0, 0],
            jpeg_range=[100, 100],
            jpeg_range2=[100, 100],
            final_sinc_prob=0,
            resize_modes=["area"],
        )
    )
    # Gray, since JPEG halves the resolution of colour at any quality.
    hr = photo(64, 64)[:1].expand(3, -1, -1)
    expected = torch.nn.functional.avg_pool2d(hr, 4)
    torch.testing.assert_close(gentle(hr, stream(0, "test")), expected, atol=0.015, rtol=0)


def test_the_target_is_hr_unless_it_shall_be_sharpened():
    hr = photo(64, 64)
    assert REALESRGAN.target(hr) is hr
    assert BICUBIC.target(hr) is hr
    sharpened = _build_realesrgan(RealESRGANOptions(sharpen_target=True)).target(hr)
    assert sharpened.shape == hr.shape
    assert sharpened.dtype == torch.float32
    assert 0 <= sharpened.min() <= sharpened.max() <= 1
    assert sharpened.std() > hr.std()


def test_sharpening_before_degrading_changes_the_lr():
    hr = photo(64, 64)
    plain = _build_realesrgan(RealESRGANOptions(sharpen=False))
    assert not torch.equal(plain(hr, stream(0, "test")), REALESRGAN(hr, stream(0, "test")))


@pytest.mark.parametrize("degradation", [REALESRGAN, BICUBIC])
@pytest.mark.parametrize("shape", [(3, 30, 32), (3, 32, 30), (3, 0, 4), (3, 2, 2)])
def test_sides_that_are_no_multiples_are_refused(degradation, shape):
    with pytest.raises(DataError, match=rf"{shape[1]} x {shape[2]} pixels") as caught:
        degradation(torch.zeros(shape), stream(0, "test"))
    assert "multiples of 4" in caught.value.hint


@pytest.mark.parametrize("degradation", [REALESRGAN, BICUBIC])
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 32, 32), (32, 32)])
def test_other_than_one_rgb_image_is_refused(degradation, shape):
    with pytest.raises(DataError, match="one RGB image"):
        degradation(torch.zeros(shape), stream(0, "test"))


def test_another_scale():
    by_two = _build_realesrgan(RealESRGANOptions(scale=2))
    assert by_two.scale == 2
    assert by_two(photo(18, 10), np.random.default_rng(0)).shape == (3, 9, 5)


def test_bicubic_keeps_a_smooth_ramp():
    ramp = torch.linspace(0.2, 0.8, 64).expand(3, 64, 64)
    expected = torch.nn.functional.avg_pool2d(ramp, 4)
    lr = BICUBIC(ramp, stream(0, "test"))
    torch.testing.assert_close(lr[..., 2:-2], expected[..., 2:-2], atol=0.004, rtol=0)
