"""DISTS and EA-DISTS: the formula, written out again, on the real weights."""

import pytest
import torch
from torch.nn import functional as F

import toolkit
from toolkit.streams import torch_stream
from toolkit_losses.edge_aware import sobel

pytestmark = pytest.mark.weights


def images(count=2, height=48, width=40, seed=0):
    return torch.rand(count, 3, height, width, generator=torch_stream(seed, "images"))


def reference_dists(loss, x, y):
    """Ding et al.'s formula, stage by stage, with E[xy] - E[x]E[y] for the covariance."""
    total = torch.zeros(x.shape[0])
    widths = [3, 64, 128, 256, 512, 512]
    alphas, betas = loss.alpha.split(widths), loss.beta.split(widths)
    stages = zip(loss.features(x), loss.features(y), alphas, betas, strict=True)
    for first, second, alpha, beta in stages:
        f, g = first.double(), second.double()
        fm, gm = f.mean((2, 3)), g.mean((2, 3))
        fv, gv = f.var((2, 3), unbiased=False), g.var((2, 3), unbiased=False)
        covariance = (f * g).mean((2, 3)) - fm * gm
        texture = (2 * fm * gm + 1e-6) / (fm**2 + gm**2 + 1e-6)
        structure = (2 * covariance + 1e-6) / (fv + gv + 1e-6)
        total = total + (alpha * texture + beta * structure).sum(1)
    return 1 - total


def test_dists_is_the_papers_formula():
    loss = toolkit.make("loss", "dists")
    x, y = images(), images(seed=1)
    torch.testing.assert_close(loss(x, y).double(), reference_dists(loss, x, y), atol=1e-5, rtol=0)


def test_the_authors_weights_are_all_used():
    loss = toolkit.make("loss", "dists")
    assert loss.alpha.shape == loss.beta.shape == (1475,)
    assert (loss.alpha.sum() + loss.beta.sum()).item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("edges", ["grey", "colour"])
def test_ea_dists_is_the_sum_of_two_dists(edges):
    dists, both = toolkit.make("loss", "dists"), toolkit.make("loss", "ea-dists", edges=edges)
    x, y = images(), images(seed=1)
    expected = dists(x, y) + dists(sobel(x, edges), sobel(y, edges))
    torch.testing.assert_close(both(x, y), expected, atol=1e-5, rtol=0)


def test_weights_of_images_and_edges():
    x, y = images(), images(seed=1)
    only_images = toolkit.make("loss", "ea-dists", edge_weight=0.0)
    expected = toolkit.make("loss", "dists")(x, y)
    torch.testing.assert_close(only_images(x, y), expected, atol=1e-5, rtol=0)


def test_sobel_is_equations_6_and_7():
    image = images(1)
    grey = F.pad(image.mean(1), (1, 1, 1, 1))[0]
    magnitude = sobel(image)
    assert magnitude.shape == image.shape
    for row, column in ((0, 0), (5, 7), (47, 39)):
        window = grey[row : row + 3, column : column + 3]
        kernel = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        gx, gy = (window * kernel).sum(), (window * kernel.T).sum()
        expected = (gx**2 + gy**2 + 1e-6).sqrt()
        assert magnitude[0, :, row, column].tolist() == pytest.approx([expected.item()] * 3)


@pytest.mark.parametrize("name", ["dists", "ea-dists", "lpips", "lpips:alex"])
def test_a_prepared_target_gives_the_same(name):
    loss = toolkit.make("loss", name)
    x, y = images(height=64, width=64), images(height=64, width=64, seed=1)
    torch.testing.assert_close(loss(x, loss.prepare(y)), loss(x, y))


@pytest.mark.parametrize("name", ["dists", "ea-dists"])
def test_bfloat16_keeps_the_statistics_in_float32(name):
    loss = toolkit.make("loss", name)
    x, y = images(), images(seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = loss(x, y)
    assert rough.dtype == torch.float32
    torch.testing.assert_close(rough, loss(x, y), atol=0.02, rtol=0.05)


def test_too_small_an_image_is_a_clear_error():
    from toolkit.errors import DataError

    with pytest.raises(DataError, match="8x20 px is too small"):
        toolkit.make("loss", "dists")(torch.rand(1, 3, 20, 8), torch.rand(1, 3, 20, 8))
