"""Ours equal the authors' own modules, values and gradients, given the same weights."""

import numpy as np
import pytest
import scipy.ndimage
import torch

import toolkit

pytestmark = pytest.mark.weights


def with_gradient(loss, x, y):
    x = x.clone().requires_grad_()
    distance = loss(x, y)
    distance.sum().backward()
    return distance.detach(), x.grad


def assert_equal(ours, reference, x, y):
    (value, gradient), (true_value, true_gradient) = (
        with_gradient(loss, x, y) for loss in (ours, reference)
    )
    assert value.shape == true_value.shape == (len(x),)
    assert true_value.min() > 0.01
    assert true_gradient.abs().amax((1, 2, 3)).min() > 1e-4
    torch.testing.assert_close(value, true_value, atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, true_gradient, atol=1e-5, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(ours(x, y), true_value, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_lpips(photographs, reference_lpips, network):
    assert_equal(toolkit.make("loss", f"lpips:{network}"), reference_lpips(network), *photographs)


def test_dists(photographs, reference_dists):
    assert_equal(toolkit.make("loss", "dists"), reference_dists, *photographs)


def reference_edges(images, edges):
    """Equations 6 and 7 by SciPy's correlation, in float64."""
    images = images.double().numpy()
    if edges == "grey":
        images = images.mean(1, keepdims=True).repeat(3, 1)
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])[None, None]
    across, down = (
        scipy.ndimage.correlate(images, each, mode="constant")
        for each in (kernel, kernel.swapaxes(2, 3))
    )
    return torch.from_numpy(np.sqrt(across**2 + down**2 + 1e-6)).float()


@pytest.mark.parametrize("edges", ["grey", "colour"])
def test_ea_dists_is_two_dists(photographs, reference_dists, edges):
    x, y = (images[:10] for images in photographs)
    expected = reference_dists(x, y)
    expected += reference_dists(reference_edges(x, edges), reference_edges(y, edges))
    found = toolkit.make("loss", "ea-dists", edges=edges)(x, y)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("network", ["alex", "vgg"])
def test_ea_lpips_is_two_lpips(photographs, reference_lpips, network):
    x, y = (images[:10] for images in photographs)
    reference = reference_lpips(network)
    expected = reference(x, y)
    expected += reference(reference_edges(x, "grey"), reference_edges(y, "grey"))
    found = toolkit.make("loss", f"ea-lpips:{network}")(x, y)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
