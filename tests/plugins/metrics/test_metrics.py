"""PSNR, SSIM and DISTS against worked examples and slow direct computations."""

import doctest
import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from toolkit.component import Component, WeightFile
from toolkit.errors import DataError
from toolkit_metrics import pairs, psnr, ssim
from toolkit_metrics.distance import DistanceMetric
from toolkit_metrics.pairs import luma
from toolkit_metrics.plugin import toolkit_components
from toolkit_metrics.psnr import Psnr
from toolkit_metrics.ssim import Ssim

COMPONENTS = {component.name: component for component in toolkit_components()}
ALL = [Psnr("y"), Psnr("rgb"), Ssim("y"), Ssim("rgb")]


def pair(height=24, width=31, noise=0.1, batch=1):
    rng = torch.Generator().manual_seed(5)
    hr = torch.rand(batch, 3, height, width, generator=rng)
    return (hr + noise * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


def test_listing_loads_nothing_heavy():
    code = (
        "import sys, toolkit_metrics.plugin as p; list(p.toolkit_components());"
        "sys.exit(bool({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_luma_of_black_white_and_the_primaries():
    colours = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    expected = torch.tensor([16, 235, 81.481, 144.553, 40.966])
    assert torch.allclose(luma(colours[:, :, None, None]).flatten(), expected)


def test_psnr_by_hand():
    # One of four pixels is white instead of black: luma differs by 219 there, so
    # MSE = 219² / 4 and PSNR = 10 log10(4 * 255² / 219²) = 7.3425 dB; in RGB, 10 log10(4).
    hr = torch.zeros(1, 3, 2, 2)
    sr = hr.clone()
    sr[..., 0, 0] = 1
    assert Psnr("y")(sr, hr).item() == pytest.approx(20 * math.log10(2 * 255 / 219))
    assert Psnr("y")(sr, hr).item() == pytest.approx(7.3425, abs=1e-4)
    assert Psnr("rgb")(sr, hr).item() == pytest.approx(6.0206, abs=1e-4)


def test_equal_images():
    image, _ = pair()
    assert Psnr()(image, image).item() == pytest.approx(128.13, abs=0.01)
    for colour in ("y", "rgb"):
        assert Ssim(colour)(image, image).item() == pytest.approx(1, abs=1e-12)


def slow_ssim(first, second):
    """By the paper's equation 13, window by window."""
    places = torch.arange(11).double() - 5
    line = torch.exp(-(places**2) / (2 * 1.5**2))
    window = line[:, None] * line / line.sum() ** 2
    total, count = 0.0, 0
    for y in range(first.shape[0] - 10):
        for x in range(first.shape[1] - 10):
            a, b = first[y : y + 11, x : x + 11], second[y : y + 11, x : x + 11]
            mean_a, mean_b = (window * a).sum(), (window * b).sum()
            var_a = (window * (a - mean_a) ** 2).sum()
            var_b = (window * (b - mean_b) ** 2).sum()
            both = (window * (a - mean_a) * (b - mean_b)).sum()
            c1, c2 = 6.5025, 58.5225
            above = (2 * mean_a * mean_b + c1) * (2 * both + c2)
            total += (above / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).item()
            count += 1
    return total / count


@pytest.mark.parametrize("size", [(11, 11), (13, 20), (46, 12)])
def test_ssim_by_its_definition(size):
    sr, hr = pair(*size)
    y_sr, y_hr = luma(sr.double())[0, 0], luma(hr.double())[0, 0]
    assert Ssim("y")(sr, hr).item() == pytest.approx(slow_ssim(y_sr, y_hr), abs=1e-9)
    channels = [slow_ssim(sr[0, c].double() * 255, hr[0, c].double() * 255) for c in range(3)]
    assert Ssim("rgb")(sr, hr).item() == pytest.approx(sum(channels) / 3, abs=1e-9)


def test_ssim_of_flat_images_by_hand():
    # Without variance the second factor is 1, and the first (2 ab + C1) / (a² + b² + C1).
    black, grey = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.2)
    assert Ssim("rgb")(black, grey).item() == pytest.approx(6.5025 / (51**2 + 6.5025), rel=1e-6)


def test_strips_do_not_show(monkeypatch):
    sr, hr = pair(100, 40)
    whole = Ssim()(sr, hr)
    monkeypatch.setattr(ssim, "_ROWS", 7)
    assert torch.allclose(Ssim()(sr, hr), whole, atol=1e-12)


@pytest.mark.parametrize("metric", ALL)
def test_batches_score_each_image(metric):
    sr, hr = pair(batch=3)
    scores = metric(sr, hr)
    assert scores.shape == (3,)
    single = torch.cat([metric(sr[i : i + 1], hr[i : i + 1]) for i in range(3)])
    assert torch.allclose(scores, single)
    assert metric.direction == "higher"


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.2), st.floats(1.2, 3), st.sampled_from(ALL))
def test_more_noise_scores_worse(noise, factor, metric):
    little, hr = pair(noise=noise)
    much, _ = pair(noise=noise * factor)
    assert metric(little, hr) > metric(much, hr)
    assert torch.allclose(metric(little, hr), metric(hr, little))


@pytest.mark.parametrize("kind", [Psnr, Ssim])
def test_border(kind):
    sr, hr = pair(30, 30)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(kind("y", 4)(sr, hr), kind("y")(sr[inner], hr[inner]))
    with pytest.raises(DataError, match="border of 15"):
        kind("y", 15)(sr, hr)


@pytest.mark.parametrize("metric", ALL)
def test_what_cannot_be_compared(metric):
    sr, hr = pair(20, 30)
    with pytest.raises(DataError, match=r"30x20 pixels, the true one 29x20") as caught:
        metric(sr, hr[..., :-1])
    assert caught.value.hint
    with pytest.raises(DataError, match="needs the true images"):
        metric(sr)


def test_too_small_for_the_window():
    sr, hr = pair(10, 30)
    with pytest.raises(DataError, match="30x10"):
        Ssim()(sr, hr)


def test_fingerprints_tell_protocols_apart():
    ssims = {m.fingerprint["protocol"] for m in (Ssim("y"), Ssim("rgb"), Ssim("y", 4))}
    assert len(ssims) == 3
    assert Psnr("y").fingerprint["library"] == "restoration-toolkit-metrics"
    assert "border 4" in Psnr("y", 4).fingerprint["protocol"]
    assert "not rounded" in Ssim("y").fingerprint["protocol"]


@pytest.mark.parametrize("name", ["psnr-y", "psnr", "ssim-y", "ssim"])
def test_components_build(name):
    component = COMPONENTS[name]
    metric = component.build(component.options(border=2))
    assert metric.border == 2
    assert metric.colour == ("y" if name.endswith("-y") else "rgb")
    assert metric(*pair()).shape == (1,)


class Distance:
    device = None

    def __call__(self, prediction, target):
        return (prediction - target).abs().mean(dim=(1, 2, 3))

    def to(self, device):
        self.device = device


def test_dists_asks_the_registry(monkeypatch):
    file = WeightFile(
        name="w.pt",
        sha256="abc",
        size=1,
        licence="MIT",
        package="p==1",
        package_sha256="",
        member="",
    )
    loss = Component(kind="loss", name="dists", summary="", build=Distance, weights=(file,))
    monkeypatch.setattr(toolkit, "components", lambda kind: [loss])
    monkeypatch.setattr(toolkit, "make", lambda kind, name: Distance())
    component = COMPONENTS["dists"]
    metric = component.build(component.options())
    assert metric.fingerprint["sha256 of w.pt"] == "abc"
    assert metric.direction == "lower"
    sr, hr = pair(batch=2)
    assert torch.equal(metric(sr, hr), Distance()(sr, hr))
    with pytest.raises(DataError):
        metric(sr, hr[..., 1:])


def test_distance_metric_moves_its_loss_and_keeps_no_gradient():
    loss = Distance()
    sr, hr = pair()
    score = DistanceMetric("toy", loss, {})(sr.requires_grad_(), hr)
    assert loss.device == sr.device
    assert not score.requires_grad


@pytest.mark.parametrize("module", [pairs, psnr, ssim])
def test_examples_run(module):
    assert doctest.testmod(module).failed == 0
