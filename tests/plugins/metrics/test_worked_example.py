"""The examples of the README, computed from their definitions and by the metrics."""

import math
import re
from pathlib import Path

import pytest
import torch

import toolkit

README = Path(__file__).parents[3] / "plugins/metrics/README.md"


def numbers(title):
    """The numbers in code font under a bold title of the section, in order."""
    section = README.read_text("utf-8").split("## PSNR and SSIM by hand")[1]
    text = section.split("\n## ")[0].split(f"**{title}")[1].split("**")[1]
    return re.findall(r"`(-?\d+\.\d+)`", text)


def check(written, computed):
    assert written == [
        f"{value:.{len(text.split('.')[1])}f}"
        for text, value in zip(written, computed, strict=True)
    ]


def luma(red, green, blue):
    return 16 + 65.481 * red + 128.553 * green + 24.966 * blue


def test_psnr_by_hand():
    true = [(0.0, 0.0, 0.0), (0.2, 0.4, 0.6)]
    restored = [(0.1, 0.1, 0.1), (0.2, 0.4, 0.5)]
    y_true, y_restored = ([luma(*pixel) for pixel in image] for image in (true, restored))
    apart = [a - b for a, b in zip(y_restored, y_true, strict=True)]
    squares = [each**2 for each in apart]
    mean = sum(squares) / 2
    error = mean / 255**2
    score = -10 * math.log10(error + 1e-8)
    steps = [*y_true, *y_restored, *apart, *squares, mean, error, error, score]
    check(numbers("PSNR of luma"), steps)
    sr, hr = (
        torch.tensor(image, dtype=torch.float64).T.view(1, 3, 1, 2) for image in (restored, true)
    )
    assert toolkit.make("metric", "psnr-y")(sr, hr).item() == pytest.approx(score, abs=1e-9)


def test_ssim_by_hand():
    middle = 1 / sum(math.exp(-(place**2) / (2 * 1.5**2)) for place in range(-5, 6))
    weight = middle**2
    first, second = 100 + 100 * weight, 100 + 50 * weight
    spread = weight - weight**2
    variances, covariance = (100**2 * spread, 50**2 * spread), 100 * 50 * spread
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    means = (2 * first * second + c1) / (first**2 + second**2 + c1)
    structure = (2 * covariance + c2) / (sum(variances) + c2)
    steps = [middle, middle, weight, first, second, *variances, covariance, c1, c2]
    check(numbers("SSIM"), [*steps, means, structure, means * structure])
    hr, sr = torch.full((2, 1, 3, 11, 11), 100 / 255, dtype=torch.float64)
    hr[..., 5, 5], sr[..., 5, 5] = 200 / 255, 150 / 255
    score = toolkit.make("metric", "ssim")(sr, hr).item()
    assert score == pytest.approx(means * structure, abs=1e-9)
