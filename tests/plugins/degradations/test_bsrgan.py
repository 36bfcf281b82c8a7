"""BSRGAN's pipeline: its odds, its order, and that it always comes to the LR size."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import toolkit
from toolkit.streams import stream

COUNT = 2000


@pytest.fixture(scope="module")
def histories():
    degradation = toolkit.make("degradation", "bsrgan")
    return [degradation.draw(stream(0, "test-shuffled", number)) for number in range(COUNT)]


def of(histories, kind):
    return [step for history in histories for step in history if step.step == kind]


def test_every_image_has_two_blurs_one_noise_and_a_last_jpeg(histories):
    for history in histories:
        counts = Counter(step.step for step in history)
        shifted = sum(step.step == "blur" and step.shift > 0 for step in history)
        assert counts["blur"] - shifted == 2
        assert counts["gaussian"] == 1
        assert history[-1].step == "jpeg"
        assert counts["jpeg"] in {1, 2}
    assert len(of(histories, "jpeg")) / COUNT == pytest.approx(1.9, abs=0.03)


def test_orders_are_many_and_equally_likely(histories):
    noise_first = [
        next(step.step for step in history if step.step in {"gaussian", "blur"}) == "gaussian"
        for history in histories
    ]
    # Before both blurs in a third of the orders; a shifted blur may come before it, too.
    assert 0.25 < sum(noise_first) / COUNT < 0.36
    orders = {tuple(step.step for step in history) for history in histories}
    assert len(orders) > 200


def test_the_lr_size_is_reached_last(histories):
    for history in histories:
        resizes = [step for step in history if step.step == "resize"]
        assert resizes[-1].of == "lr"
        assert all(step.of == "image" for step in resizes[:-1])


def test_noise_has_the_published_kinds_and_levels(histories):
    noises = of(histories, "gaussian")
    correlated = [noise for noise in noises if noise.covariance]
    assert len(correlated) / COUNT == pytest.approx(0.2, abs=0.04)
    assert sum(noise.gray for noise in noises) / COUNT == pytest.approx(0.4, abs=0.05)
    plain = {noise.sigma for noise in noises if not noise.covariance}
    assert plain == set(range(2, 26))
    for noise in correlated[:50]:
        matrix = torch.tensor(noise.covariance)
        assert torch.equal(matrix, matrix.T)
        assert matrix.min() >= 0
        assert matrix.diagonal().max() <= 1


def test_blurs_and_qualities_stay_in_their_ranges(histories):
    blurs = [blur for blur in of(histories, "blur") if not blur.shift]
    assert {blur.size for blur in blurs} == set(range(7, 26, 2))
    assert max(blur.sigma[0] for blur in blurs if blur.shape == "iso") <= 2.8
    assert max(max(blur.sigma) for blur in blurs if blur.shape == "aniso") <= 8**0.5
    assert {jpeg.quality for jpeg in of(histories, "jpeg")} == set(range(30, 96))
    decimations = [blur for blur in of(histories, "blur") if blur.shift]
    assert {blur.size for blur in decimations} == {25}
    assert {blur.shift for blur in decimations} == {0.5, 1.5}  # after halving, and without


def test_taking_every_fourth_pixel_of_a_shifted_blur_keeps_the_image_in_place():
    degradation = toolkit.make("degradation", "bsrgan")
    ramp = torch.linspace(0.1, 0.9, 64).expand(3, 64, 64)
    history = [
        {"step": "blur", "shape": "iso", "size": 25, "sigma": [2, 2], "shift": 1.5},
        {"step": "resize", "mode": "nearest", "factor": 0.25},
    ]
    expected = torch.nn.functional.avg_pool2d(ramp, 4)
    lr = degradation.apply(ramp, history)
    torch.testing.assert_close(lr[..., 4:-4], expected[..., 4:-4], atol=1 / 255, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_other_scales(scale):
    degradation = toolkit.make("degradation", "bsrgan", scale=scale)
    hr = torch.rand(3, 12 * scale, 8 * scale, generator=torch.Generator().manual_seed(0))
    for index in range(10):
        assert degradation.batch(hr[None], 0, [index]).shape == (1, 3, 12, 8)
