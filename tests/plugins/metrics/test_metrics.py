"""PSNR and SSIM against worked examples and slow direct computations."""

import doctest
import json
import subprocess
import sys
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.component import Component, Context, Options
from toolkit.discovery import installed
from toolkit.errors import DataError
from toolkit_metrics import pairs, psnr, ssim
from toolkit_metrics.pairs import luma
from toolkit_metrics.plugin import toolkit_components
from toolkit_metrics.psnr import psnr as score_psnr
from toolkit_metrics.ssim import ssim as score_ssim

COMPONENTS = {component.name: component for component in toolkit_components()}
ALL = [
    partial(score, colour=colour) for score in (score_psnr, score_ssim) for colour in ("y", "rgb")
]


def pair(height=24, width=31, noise=0.1, batch=1):
    rng = torch.Generator().manual_seed(5)
    hr = torch.rand(batch, 3, height, width, generator=rng)
    return (hr + noise * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


def make(name, **options):
    component = COMPONENTS[name]
    return component.build(component.options(**options), Context(installed()))


def test_metrics_know_themselves_before_anything_is_loaded():
    code = (
        "import sys, json, toolkit\n"
        "found = [toolkit.make('metric', name) for name in sys.argv[1:]]\n"
        "json.dump([[m.direction, m.needs_reference, *m.fingerprint.values()] for m in found],"
        " sys.stdout)\n"
        "sys.exit(', '.join({'torch', 'numpy', 'scipy', 'cv2'} & set(sys.modules)) or 0)"
    )
    names = ["psnr-y", "ssim-y", "psnr", "ssim", "lpips", "lpips:vgg", "dists", "niqe"]
    done = subprocess.run(
        [sys.executable, "-c", code, *names], check=True, text=True, stdout=subprocess.PIPE
    )
    known = json.loads(done.stdout)
    assert [each[0] for each in known] == ["higher"] * 4 + ["lower"] * 4
    assert [each[1] for each in known] == [True] * 7 + [False]
    assert len({tuple(each) for each in known}) == len(names)


def test_luma_by_hand():
    # rgb2ycbcr of MATLAB: 16 + 65.481 R + 128.553 G + 24.966 B.
    image = torch.tensor([0.2, 0.5, 1.0]).double().view(1, 3, 1, 1)
    assert luma(image).item() == pytest.approx(16 + 13.0962 + 64.2765 + 24.966)
    assert luma(torch.ones(1, 3, 1, 1).double()).item() == pytest.approx(235)


def test_psnr_of_one_step_of_grey():
    grey = torch.full((1, 3, 16, 16), 0.5)
    step = grey + 1 / 255
    assert score_psnr(step, grey, "rgb").item() == pytest.approx(48.1308, abs=5e-3)
    # One step of grey is 219 / 255 of a step of luma.
    assert score_psnr(step, grey, "y").item() == pytest.approx(49.4529, abs=5e-3)


def test_equal_images():
    image = pair()[0]
    for colour in ("y", "rgb"):
        assert score_psnr(image, image, colour).item() == pytest.approx(80)
        assert score_ssim(image, image, colour).item() == pytest.approx(1, abs=1e-12)


def slow_ssim(first, second):
    """By the paper's equation 13, window by window, of whole numbers."""
    first, second = first.round(), second.round()
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
            structure = max((2 * both + c2) / (var_a + var_b + c2), 0)
            total += (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1) * structure
            count += 1
    return (total / count).item()


@pytest.mark.parametrize("size", [(11, 11), (13, 19), (45, 12)])
def test_ssim_by_its_definition(size):
    sr, hr = pair(*size)
    y_sr, y_hr = luma(sr.double())[0, 0], luma(hr.double())[0, 0]
    assert score_ssim(sr, hr).item() == pytest.approx(slow_ssim(y_sr, y_hr), abs=1e-9)
    channels = [slow_ssim(sr[0, c].double() * 255, hr[0, c].double() * 255) for c in range(3)]
    assert score_ssim(sr, hr, "rgb").item() == pytest.approx(sum(channels) / 3, abs=1e-9)


def test_ssim_of_flat_images_by_hand():
    # Without variance the second factor is 1, and the first (2 ab + C1) / (a² + b² + C1).
    black, grey = torch.zeros(1, 3, 16, 16), torch.full((1, 3, 16, 16), 0.2)
    expected = 6.5025 / (51**2 + 6.5025)
    assert score_ssim(black, grey, "rgb").item() == pytest.approx(expected, rel=1e-6)


def test_strips_do_not_show(monkeypatch):
    sr, hr = pair(100, 40)
    whole = score_ssim(sr, hr)
    monkeypatch.setattr(ssim, "_ROWS", 7)
    assert torch.allclose(score_ssim(sr, hr), whole, atol=1e-12)


@pytest.mark.parametrize("score", ALL)
def test_batches_score_each_image(score):
    sr, hr = pair(batch=3)
    scores = score(sr, hr)
    assert scores.shape == (3,)
    single = torch.cat([score(sr[i : i + 1], hr[i : i + 1]) for i in range(3)])
    assert torch.allclose(scores, single)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.01, 0.2), st.floats(1.2, 3), st.sampled_from(ALL))
def test_more_noise_scores_worse(noise, factor, score):
    little, hr = pair(noise=noise)
    much, _ = pair(noise=noise * factor)
    assert score(little, hr) > score(much, hr)
    assert torch.allclose(score(little, hr), score(hr, little))


@pytest.mark.parametrize("score", [score_psnr, score_ssim])
def test_border(score):
    sr, hr = pair(30, 30)
    inner = (..., slice(4, -4), slice(4, -4))
    assert torch.allclose(score(sr, hr, "y", 4), score(sr[inner], hr[inner], "y"))
    middle = (..., slice(14, -14), slice(14, -14))
    assert torch.allclose(score_psnr(sr, hr, "y", 14), score_psnr(sr[middle], hr[middle], "y"))
    with pytest.raises(DataError, match="border of 15"):
        score(sr, hr, "y", 15)


@pytest.mark.parametrize("score", ALL)
def test_inputs_are_left_as_they_are(score):
    sr, hr = pair()
    before = sr.clone(), hr.clone()
    score(sr.double(), hr.double())
    score(sr, hr)
    assert torch.equal(sr, before[0])
    assert torch.equal(hr, before[1])


@pytest.mark.parametrize("score", ALL)
def test_what_cannot_be_compared(score):
    sr, hr = pair(20, 30)
    with pytest.raises(DataError, match=r"30x20 pixels, the reference 29x20") as caught:
        score(sr, hr[..., :-1])
    assert caught.value.hint
    with pytest.raises(DataError, match="needs reference images"):
        score(sr, None)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("score", ALL)
def test_pixels_that_are_no_numbers(score, bad):
    sr, hr = pair()
    broken = sr.clone()
    broken[0, 1, 2, 3:5] = bad
    with pytest.raises(DataError, match=r"restored image \(sr\) has 2 values"):
        score(broken, hr)
    with pytest.raises(DataError, match=r"reference image \(hr\) has 2 values"):
        score(sr, broken)


@pytest.mark.parametrize("score", ALL)
@pytest.mark.parametrize(("factor", "offset"), [(3, -1), (0.5, -0.1), (1.5, 0)])
def test_what_leaves_the_range_is_clamped_as_in_a_file(score, factor, offset):
    sr, hr = pair()
    beyond = (factor * sr + offset).requires_grad_()
    found = score(beyond, hr)
    assert torch.equal(found, score(beyond.clamp(0, 1), hr))
    assert not found.requires_grad


def test_too_small_for_the_window():
    sr, hr = pair(10, 30)
    with pytest.raises(DataError, match=r"at least 11 pixels; the image has 30x10"):
        score_ssim(sr, hr)


def test_fingerprints_tell_protocols_apart():
    found = [make("ssim-y"), make("ssim"), make("ssim-y", border=4), make("psnr-y")]
    assert len({tuple(metric.fingerprint.values()) for metric in found}) == 4
    assert found[0].fingerprint["library"] == "restoration-toolkit-metrics"
    assert found[2].fingerprint["border"] == "4"
    assert "not rounded" in found[3].fingerprint["colour"]


@pytest.mark.parametrize("name", ["psnr-y", "psnr", "ssim-y", "ssim"])
def test_components_build(name):
    score = score_psnr if name.startswith("psnr") else score_ssim
    colour = "y" if name.endswith("-y") else "rgb"
    metric = make(name, border=2)
    assert torch.equal(metric(*pair()), score(*pair(), colour, 2))
    assert metric.needs_reference


def test_every_component_is_complete():
    assert all(isinstance(each, Component) for each in COMPONENTS.values())
    assert all(issubclass(each.options, Options) for each in COMPONENTS.values())
    assert COMPONENTS["lpips"].uses == ("loss/lpips",)
    assert not COMPONENTS["niqe"].weights


@pytest.mark.parametrize("module", [pairs, psnr, ssim])
def test_examples_run(module):
    assert doctest.testmod(module).failed == 0
