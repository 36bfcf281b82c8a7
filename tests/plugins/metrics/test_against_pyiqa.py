"""PSNR, SSIM and NIQE of photographs, held against pyiqa's figures."""

import warnings

import pytest
import torch

import toolkit
from toolkit.images import bicubic_resize
from toolkit.streams import stream
from toolkit_metrics.niqe import _luma, pristine

pytest.importorskip("pyiqa", reason="its figures are what ours are held against")
LUMA = {"test_y_channel": True, "color_space": "ycbcr"}


@pytest.fixture(scope="module")
def pyiqa():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a library that is not tested here
        import pyiqa

        pyiqa.create_metric("psnr", device="cpu")
    return pyiqa


def pairs(side=None):
    """Held-out photographs (restored, true), `[1, 3, h, w]`, as a file would hold them."""
    photos = toolkit.make("dataset", "photos:heldout")
    degradation = toolkit.make("degradation", "realesrgan")
    for index in range(len(photos)):
        hr = photos[index].hr
        if side:
            top, left = ((length - side) // 2 for length in hr.shape[1:])
            hr = hr[:, top : top + side, left : left + side]
        lr = degradation(hr, stream(0, "heldout", index))
        sr = (bicubic_resize(lr[None], 4).clamp(0, 1) * 255).round() / 255
        yield sr, hr[None].clone()


def check(references, found):
    """Every reference of (metric, least difference) against ours, over all pairs."""
    count = 0
    for sr, hr in found:
        for name, (theirs, within) in references.items():
            ours = toolkit.make("metric", name)
            both = [(sr, hr)] if ours.needs_reference else [(sr,), (hr,)]
            for images in both:
                assert ours(*images).item() == pytest.approx(theirs(*images).item(), abs=within)
        count += 1
    assert count == 20


@pytest.fixture(scope="module")
def references(pyiqa):
    def make(name, **options):
        return pyiqa.create_metric(name, device=torch.device("cpu"), **options)

    return {
        "psnr-y": (make("psnr", **LUMA), 1e-5),
        "ssim-y": (make("ssim", **LUMA), 1e-5),
        "psnr": (make("psnr"), 1e-5),
        "ssim": (make("ssimc"), 1e-5),
        "niqe": (their_niqe, 1e-5),
    }


def their_niqe(image):
    from pyiqa.archs.niqe_arch import calculate_niqe

    # Of our luma: about one pixel in a thousand lies half way between two integers, and which of
    # them pyiqa's matrix product comes to depends on the processor.
    luma = _luma(image[0])[None, None] / 255
    mean, covariance = pristine()  # the same numbers as in the file that it would download
    return calculate_niqe(luma, mu_pris_param=mean, cov_pris_param=covariance)


def test_luma_differs_by_the_rounding_of_few_pixels_alone(pyiqa):
    from pyiqa.utils.color_util import to_y_channel

    for sr, _ in pairs(side=256):
        theirs = to_y_channel(sr, 255, "yiq")[0, 0].double()
        ours = _luma(sr[0])
        apart = (theirs.round() - ours).abs()
        assert apart.max() <= 1
        assert (apart > 0).double().mean() < 0.005


def test_crops_of_photographs(references):
    check(references, pairs(side=256))


@pytest.mark.slow
def test_whole_photographs(references):
    check({name: references[name] for name in ("psnr-y", "ssim-y", "niqe")}, pairs())


def test_equal_images(references):
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    for name in ("psnr-y", "ssim-y"):
        ours = toolkit.make("metric", name)(image, image).item()
        assert ours == pytest.approx(references[name][0](image, image).item(), abs=1e-4)


def test_opposite_images(references):
    # The second factor of SSIM is negative here, and held at 0 by both.
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    ours = toolkit.make("metric", "ssim-y")(image, 1 - image).item()
    assert ours == pytest.approx(references["ssim-y"][0](image, 1 - image).item(), abs=1e-5)


def test_partly_flat_images(references):
    image = torch.rand(1, 3, 288, 192, generator=torch.Generator().manual_seed(0))
    image = (torch.nn.functional.avg_pool2d(image, 3, 1, 1) * 255).round() / 255
    image[..., :120, :] = 0.25  # one block without any texture, one with a little
    ours = toolkit.make("metric", "niqe")(image).item()
    assert ours == pytest.approx(their_niqe(image).item(), rel=1e-4)
