"""Filters, each against a weighted sum written out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit_degradations.filters import convolve, convolve_separably, mirror


def summed(image, taps):
    """`[n, h, w]` filtered tap by tap, with numpy's own mirrored border."""
    reach = len(taps) // 2
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    height, width = image.shape[1:]
    return sum(
        taps[row, column] * padded[:, row : row + height, column : column + width]
        for row in range(len(taps))
        for column in range(len(taps))
    )


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    size=st.sampled_from([1, 3, 7, 21]),
    seed=st.integers(0, 100),
)
def test_convolve_is_a_weighted_sum_over_a_mirrored_border(height, width, size, seed):
    rng = np.random.default_rng(seed)
    image, taps = rng.random((3, height, width)), rng.random((size, size))
    taps /= taps.sum()
    filtered = convolve(torch.from_numpy(image).float(), taps)
    assert filtered.shape == image.shape
    np.testing.assert_allclose(filtered.numpy(), summed(image, taps), atol=3e-6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 100),
    width=st.integers(1, 100),
    size=st.sampled_from([1, 3, 51]),
    seed=st.integers(0, 100),
)
def test_a_separable_filter_is_the_same_as_its_square(height, width, size, seed):
    rng = np.random.default_rng(seed)
    image, line = torch.rand(2, height, width), rng.random(size)
    line /= line.sum()
    expected = summed(image.double().numpy(), np.outer(line, line))
    np.testing.assert_allclose(convolve_separably(image, line).numpy(), expected, atol=3e-6)


@pytest.mark.parametrize(("length", "reach"), [(1, 3), (2, 5), (3, 4), (7, 20), (20, 3)])
def test_mirroring_again_and_again_is_numpys(length, reach):
    expected = np.pad(np.arange(length), reach, mode="reflect")
    assert mirror(length, reach).tolist() == expected.tolist()


def test_gradients_go_through_filters():
    image = torch.rand(1, 9, 11, dtype=torch.float64).float().requires_grad_(True)
    for filtered in (
        convolve(image, np.full((3, 3), 1 / 9)),
        convolve_separably(image, np.full(3, 1 / 3)),
    ):
        (gradient,) = torch.autograd.grad(filtered.sum(), image)
        assert gradient.sum().item() == pytest.approx(99, abs=1e-3)
