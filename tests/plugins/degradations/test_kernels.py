"""Each kernel sums to 1, is symmetric where it must be, and follows its formula."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit_degradations.history import Blur, BlurShape, Sinc
from toolkit_degradations.kernels import bessel_j1, blur_kernel, gaussian_line, kernel, sinc_kernel

odd_sizes = st.integers(3, 10).map(lambda half: 2 * half + 1)


@settings(max_examples=50, deadline=None)
@given(
    shape=st.sampled_from(get_args(BlurShape)),
    size=odd_sizes,
    sigma=st.tuples(st.floats(0.2, 3), st.floats(0.2, 3)),
    rotation=st.floats(-math.pi, math.pi),
    beta=st.floats(0.5, 4),
)
def test_blur_kernels_sum_to_one_and_have_half_turn_symmetry(shape, size, sigma, rotation, beta):
    taps = kernel(Blur(shape=shape, size=size, sigma=sigma, rotation=rotation, beta=beta))
    assert taps.shape == (size, size)
    assert taps.dtype == np.float64
    assert taps.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    assert taps.min() >= 0
    assert taps.max() == taps[size // 2, size // 2]
    np.testing.assert_array_equal(taps, taps[::-1, ::-1])


@pytest.mark.parametrize("shape", ["iso", "generalized_iso", "plateau_iso"])
def test_equal_sigmas_make_a_kernel_that_no_rotation_changes(shape):
    still = blur_kernel(Blur(shape=shape, size=15, sigma=(1.7, 1.7), beta=1.3))
    turned = blur_kernel(Blur(shape=shape, size=15, sigma=(1.7, 1.7), rotation=0.4, beta=1.3))
    np.testing.assert_array_equal(still, still.T)
    np.testing.assert_array_equal(still, still[::-1])
    np.testing.assert_allclose(still, turned, atol=1e-7)


def test_a_quarter_turn_swaps_the_sigmas():
    turned = blur_kernel(Blur(shape="aniso", size=11, sigma=(3.0, 1.0), rotation=math.pi / 2))
    swapped = blur_kernel(Blur(shape="aniso", size=11, sigma=(1.0, 3.0)))
    np.testing.assert_allclose(turned, swapped, atol=1e-7)


def test_the_plain_gaussian_is_separable():
    offsets = np.arange(9) - 4
    line = np.exp(-(offsets**2) / (2 * 1.5**2))
    expected = np.outer(line, line) / line.sum() ** 2
    taps = blur_kernel(Blur(shape="iso", size=9, sigma=(1.5, 1.5)))
    np.testing.assert_allclose(taps, expected, atol=1e-7)


def test_beta_shapes_the_generalised_and_plateau_kernels():
    for beta in (0.5, 1, 4):
        taps = blur_kernel(Blur(shape="generalized_iso", size=9, sigma=(2, 2), beta=beta))
        # At 4 pixels, two standard deviations, m = 4.
        assert taps[4, 8] / taps[4, 4] == pytest.approx(math.exp(-(4**beta) / 2), rel=1e-5)
    plateau = blur_kernel(Blur(shape="plateau_iso", size=7, sigma=(2, 2), beta=2))
    # At 2 pixels, one standard deviation, the plateau's formula gives 1 / (1 + 1).
    assert plateau[3, 5] / plateau[3, 3] == pytest.approx(0.5, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(size=odd_sizes, cutoff=st.floats(math.pi / 5, math.pi))
def test_sinc_kernels_sum_to_one_and_have_all_the_squares_symmetries(size, cutoff):
    taps = kernel(Sinc(size=size, cutoff=cutoff))
    assert taps.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(taps, taps.T)
    np.testing.assert_array_equal(taps, taps[::-1])


def test_a_sinc_kernel_rings():
    assert sinc_kernel(21, math.pi / 3).min() < 0


def test_the_sinc_kernels_centre_is_the_limit_at_radius_zero():
    taps = sinc_kernel(7, 2.0)
    ratio = taps[3, 4] / taps[3, 3]
    assert ratio == pytest.approx(bessel_j1(np.array([2.0]))[0] / (2.0 / 2), rel=1e-5)


def test_bessel_j1_has_tabulated_values():
    """Abramowitz and Stegun, table 9.1, and the first zero, table 9.5."""
    values = bessel_j1(np.array([0.0, 1.0, 2.0, 5.0, 10.0, 3.8317059702]))
    expected = [0.0, 0.4400505857, 0.5767248078, -0.3275791376, 0.0434727462, 0.0]
    np.testing.assert_allclose(values, expected, atol=1e-9)


def test_a_shifted_kernel_is_centred_down_and_right():
    taps = blur_kernel(Blur(shape="iso", size=25, sigma=(1.0, 1.0), shift=1.5))
    offsets = np.arange(25) - 12
    assert taps.sum() == pytest.approx(1)
    for axis in (0, 1):
        assert (taps.sum(axis=axis) * offsets).sum() == pytest.approx(1.5, abs=1e-6)


@pytest.mark.parametrize("sigma", [0.01, 100])
@pytest.mark.parametrize("beta", [0.05, 20])
@pytest.mark.parametrize("shift", [0.0, 0.5, 16.0])
@pytest.mark.parametrize("shape", ["iso", "generalized_aniso", "plateau_aniso"])
def test_extreme_kernels_are_finite_and_sum_to_one(shape, sigma, beta, shift):
    taps = kernel(Blur(shape=shape, size=51, sigma=(sigma, sigma), beta=beta, shift=shift))
    assert np.isfinite(taps).all()
    assert taps.sum() == pytest.approx(1)


def test_a_line_of_a_gaussian_is_the_square_ones_margin():
    square = blur_kernel(Blur(shape="iso", size=15, sigma=(2.5, 2.5)))
    np.testing.assert_allclose(gaussian_line(15, 2.5), square.sum(axis=0), atol=1e-12)
