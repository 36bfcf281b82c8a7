"""NIQE's parts by their definitions; its scores are compared with pyiqa's elsewhere."""

import doctest
import hashlib
import math
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import toolkit
from toolkit.errors import DataError
from toolkit.images import read_rgb
from toolkit_metrics import niqe
from toolkit_metrics.plugin import NIQE_PRISTINE

HELDOUT = Path(__file__).parents[3] / "plugins/photos/toolkit_photos/data/heldout"


@pytest.fixture(scope="module")
def photo():
    return read_rgb(min(HELDOUT.glob("*.webp")))[None, :, :288, :384]


def test_examples_run():
    assert doctest.testmod(niqe).failed == 0


def test_pristine_numbers_are_the_pinned_ones():
    data = files("toolkit_metrics").joinpath("data/niqe_pristine.safetensors").read_bytes()
    assert hashlib.sha256(data).hexdigest() == NIQE_PRISTINE
    assert NIQE_PRISTINE in toolkit.make("metric", "niqe").fingerprint.values()
    mean, covariance = niqe.pristine()
    assert mean.shape == (36,)
    assert torch.equal(covariance, covariance.T) or torch.allclose(covariance, covariance.T)
    assert bool((torch.linalg.eigvalsh(covariance) > 0).all())


def test_pristine_numbers_are_basicsrs():
    found = find_spec("basicsr")  # not imported: it fails beside a new torchvision
    if found is None:
        pytest.skip("its file is what they are compared with")
    with np.load(Path(found.origin).parent / "metrics/niqe_pris_params.npz") as theirs:
        mean, covariance = niqe.pristine()
        assert np.array_equal(theirs["mu_pris_param"].ravel(), mean.numpy())
        assert np.array_equal(theirs["cov_pris_param"], covariance.numpy())


def test_luma_by_hand_is_whole():
    # 255 (0.299 R + 0.587 G + 0.114 B), rounded: 119.16, and the one of white.
    image = torch.tensor([[0.2, 1.0], [0.5, 1.0], [1.0, 1.0]])[:, None]
    assert niqe._luma(image).tolist() == [[119, 255]]


def test_shape_is_recovered_from_samples():
    # A generalised Gaussian of shape 2 is the normal one, of shape 1 Laplace's.
    rng = np.random.default_rng(0)
    for samples, shape in ((rng.normal(size=10**6), 2.0), (rng.laplace(size=10**6), 1.0)):
        x = torch.from_numpy(samples).view(1, 1, 1000, 1000)
        alpha, left, right = niqe._asymmetric_fit(x)
        assert alpha.item() == pytest.approx(shape, abs=0.01)
        spread = math.sqrt(math.gamma(1 / shape) / math.gamma(3 / shape)) * samples.std()
        assert left.item() == pytest.approx(spread, rel=0.01)
        assert right.item() == pytest.approx(spread, rel=0.01)


def test_nearest_shape_is_the_one_of_a_search_over_all():
    shapes, ratios = niqe._shapes()
    ratio = torch.cat([torch.rand(500, dtype=torch.float64) * 1.2, ratios[:3], ratios[-2:]])
    expected = shapes[(ratio[:, None] - ratios).abs().argmin(1)]
    assert torch.equal(niqe._shape(ratio), expected)
    assert niqe._shape(torch.tensor([torch.nan]).double()).item() == pytest.approx(0.2)


def test_window_is_a_blur_of_flat_and_linear_images():
    padded = torch.arange(13.0).double().expand(9, 13)
    weights = niqe._window()
    blurred = niqe._correlate(niqe._correlate(padded, weights, 0), weights, 1)
    assert blurred.shape == (3, 7)
    assert torch.allclose(blurred[0], torch.arange(3.0, 10).double(), atol=1e-6)


def test_half_size_keeps_flat_images_and_halves_a_ramp():
    flat = torch.full((8, 12), 7.0).double()
    assert torch.allclose(niqe._halve(flat, 1), torch.full((8, 6), 7.0).double())
    ramp = torch.arange(32.0).double().expand(4, 32)
    inner = niqe._halve(ramp, 1)[0, 2:-2]
    assert torch.allclose(inner, torch.arange(2.0, 14).double() * 2 + 0.5)


def test_only_whole_blocks_count(photo):
    wider = torch.cat([photo, torch.rand(1, 3, 288, 95)], dim=3)
    assert torch.equal(niqe.niqe(photo), niqe.niqe(wider))


def test_blur_noise_and_blocks_score_worse(photo):
    whole = niqe.niqe(photo)
    noisy = photo + 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(photo, 5, 1, 2)
    assert niqe.niqe(noisy) > whole + 1
    assert niqe.niqe(blurred) > whole + 1
    pixels = (photo[0].permute(1, 2, 0).numpy()[..., ::-1] * 255).astype(np.uint8)
    _, code = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 8])
    blocks = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    assert niqe.niqe(torch.from_numpy(blocks.copy()).permute(2, 0, 1)[None]) > whole + 1


def test_batches_score_each_image(photo):
    both = torch.cat([photo, photo.flip(3)])
    scores = niqe.niqe(both)
    assert scores.shape == (2,)
    assert scores.dtype == torch.float64
    assert torch.equal(scores[:1], niqe.niqe(photo))


@pytest.mark.parametrize("size", [(96, 96), (95, 400), (191, 191)])
def test_too_small(size):
    with pytest.raises(DataError, match=rf"two blocks of 96x96 pixels; the image has {size[1]}x"):
        niqe.niqe(torch.rand(1, 3, *size))


def test_flat_images_have_no_score():
    with pytest.raises(DataError, match="texture"):
        niqe.niqe(torch.full((1, 3, 192, 192), 0.5))


def test_pixels_that_are_no_numbers(photo):
    broken = photo.clone()
    broken[0, 0, 0, 0] = torch.nan
    with pytest.raises(DataError, match=r"restored image \(sr\) has 1 values"):
        toolkit.make("metric", "niqe")(broken)


def test_partly_flat_images_do_score(photo):
    half = photo.clone()
    half[..., :96, :] = 0.25
    assert niqe.niqe(half).isfinite().all()
