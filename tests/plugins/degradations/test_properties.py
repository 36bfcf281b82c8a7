"""Whatever the size, the type and the parameters: finite, in range, of the right size."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import toolkit
from toolkit.errors import DataError, OptionsError
from toolkit_degradations.history import (
    Blur,
    BlurShape,
    Clip,
    GaussianNoise,
    Jpeg,
    PoissonNoise,
    Resize,
    Sharpen,
    Sinc,
)
from toolkit_degradations.options import RealESRGANOptions

NAMES = ["realesrgan", "stablesr", "resshift", "bsrgan", "bicubic", "bicubic+noise", "jpeg"]
MADE = {name: toolkit.make("degradation", name) for name in NAMES}
TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]

# Up to 5000 pixels on a side, but not on both: that alone takes seconds.
sides = st.one_of(st.integers(1, 40), st.integers(1, 400), st.integers(1, 5000))
sizes = st.tuples(sides, sides).filter(lambda size: size[0] * size[1] <= 200_000)


def image(height, width, seed, dtype=torch.float32):
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(3, height, width, generator=rng).to(dtype)


def check(lr, height, width, scale=4):
    assert lr.shape == (3, height // scale, width // scale)
    assert lr.dtype == torch.float32
    assert lr.isfinite().all()
    assert 0 <= lr.min() <= lr.max() <= 1


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    size=sizes,
    name=st.sampled_from(NAMES),
    dtype=st.sampled_from(TYPES),
    index=st.integers(0, 10**9),
)
def test_any_size_and_type(size, name, dtype, index):
    height, width = size
    hr = image(height, width, index % 1000, dtype)[None]
    if height % 4 or width % 4:
        with pytest.raises(DataError, match="cannot be degraded by 4"):
            MADE[name].batch(hr, 0, [index])
        hr = hr[..., : height - height % 4, : width - width % 4]
        height, width = hr.shape[2:]
    if height and width:
        check(MADE[name].batch(hr, 0, [index])[0], height, width)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(4, 4), (4, 5000), (5000, 4), (8, 2048)])
@pytest.mark.parametrize("value", [0.0, 1.0, None])
def test_narrow_black_and_white_images(name, size, value):
    hr = image(*size, 0) if value is None else torch.full((3, *size), value)
    for index in range(3):
        check(MADE[name].batch(hr[None], 0, [index])[0], *size)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["realesrgan", "bsrgan"])
def test_a_large_image(name):
    check(MADE[name].batch(image(5000, 5000, 0)[None], 0, [1])[0], 5000, 5000)


def test_values_out_of_range_are_clipped():
    wild = image(32, 32, 0) * 100 - 50
    for name in NAMES:
        lr = MADE[name].batch(wild[None], 0, [0])
        assert torch.equal(lr, MADE[name].batch(wild.clamp(0, 1)[None], 0, [0]))


shapes = st.sampled_from(BlurShape.__args__)
taps = st.integers(1, 25).map(lambda half: 2 * half + 1)
sigmas = st.floats(0.01, 100)
seeds = st.integers(0, 2**53 - 1)
rows = st.tuples(*[st.floats(-2, 2)] * 3)
steps = st.one_of(
    st.just(Sharpen()),
    st.just(Clip()),
    st.builds(
        Blur,
        shape=shapes,
        size=taps,
        sigma=st.tuples(sigmas, sigmas),
        rotation=st.floats(-1000, 1000),
        beta=st.floats(0.05, 20),
        shift=st.floats(-16, 16),
    ),
    st.builds(Sinc, size=taps, cutoff=st.floats(0.01, 3.15)),
    st.builds(
        Resize,
        mode=st.sampled_from(["area", "bilinear", "bicubic", "antialiased", "nearest"]),
        factor=st.floats(0.001, 8),
        of=st.just("lr"),
    ),
    st.builds(
        GaussianNoise,
        sigma=st.floats(0, 255),
        gray=st.booleans(),
        covariance=st.one_of(st.none(), st.tuples(rows, rows, rows)),
        seed=seeds,
    ),
    st.builds(PoissonNoise, scale=st.floats(0, 255), gray=st.booleans(), seed=seeds),
    st.builds(Jpeg, quality=st.floats(1, 100)),
)


@settings(max_examples=120, deadline=None)
@given(
    history=st.lists(steps, max_size=8),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    codec=st.sampled_from(["libjpeg", "differentiable"]),
)
def test_any_steps_in_any_order(history, height, width, codec):
    degradation = toolkit.make("degradation", "jpeg", codec=codec)
    whole = [*history, Resize(mode="bicubic", of="lr")]
    hr = image(4 * height, 4 * width, height)
    check(degradation.apply(hr, whole), 4 * height, 4 * width)


LIMITS = {
    "resize_range": [0.001, 8],
    "resize_range2": [0.001, 8],
    "blur_sigma": [0.01, 100],
    "betag_range": [0.05, 20],
    "betap_range": [0.05, 20],
    "noise_range": [0, 255],
    "poisson_scale_range": [0, 255],
    "jpeg_range": [1, 100],
    "jpeg_range2": [1, 100],
    "kernel_range": [3, 51],
    "final_kernel_range": [3, 51],
}


def test_the_widest_ranges():
    degradation = toolkit.make("degradation", "realesrgan", **LIMITS)
    for index in range(40):
        check(degradation.batch(image(24, 36, index)[None], 0, [index])[0], 24, 36)


@pytest.mark.parametrize("name", sorted(LIMITS))
def test_beyond_the_widest_ranges_is_a_clear_error(name):
    lowest, highest = LIMITS[name]
    for wrong in ([lowest, highest * 1e6 + 1], [-1, highest], [highest, lowest], [lowest]):
        with pytest.raises(OptionsError, match=name):
            toolkit.make("degradation", "realesrgan", **{name: wrong})
        with pytest.raises(ValidationError):
            RealESRGANOptions(**{name: wrong})
