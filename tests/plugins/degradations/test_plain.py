"""Bicubic with one fault at most, and LR that comes with the data."""

from __future__ import annotations

import pytest
import torch

import toolkit
from toolkit.errors import DataError
from toolkit.images import bicubic_resize
from toolkit.streams import stream


def photo(side=64):
    coarse = torch.rand(1, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")[0]


def test_bicubic_is_matlabs_on_the_8_bit_grid():
    lr = toolkit.make("degradation", "bicubic")(photo(), stream(0, "test"))
    expected = bicubic_resize(photo()[None], (16, 16))[0]
    torch.testing.assert_close(lr, expected, atol=0.5 / 255 + 1e-6, rtol=0)


def test_noise_is_added_to_bicubic_in_its_range():
    degradation = toolkit.make("degradation", "bicubic+noise", noise_range=[20, 20])
    clean = toolkit.make("degradation", "bicubic")
    hr = photo(256) * 0.2 + 0.4
    added = degradation(hr, stream(0, "test")) - clean(hr, stream(0, "test"))
    assert added.std().item() * 255 == pytest.approx(20, rel=0.03)
    assert degradation.describe(0, 0)[-1]["sigma"] == 20


def test_gray_noise_is_an_option():
    degradation = toolkit.make("degradation", "bicubic+noise", gray_noise_prob=1)
    assert degradation.describe(0, 0)[-1]["gray"] is True


def test_jpeg_follows_bicubic():
    degradation = toolkit.make("degradation", "jpeg", jpeg_range=[10, 10])
    assert [step["step"] for step in degradation.describe(0, 0)] == ["resize", "jpeg"]
    clean = toolkit.make("degradation", "bicubic")(photo(), stream(0, "test"))
    error = (degradation(photo(), stream(0, "test")) - clean).abs().mean() * 255
    assert 0.5 < error < 50


def test_recorded_makes_nothing():
    recorded = toolkit.make("degradation", "recorded", scale=2)
    assert recorded.scale == 2
    assert recorded.target(photo()) is not None
    with pytest.raises(DataError, match="has none") as caught:
        recorded(photo(), stream(0, "test"))
    assert "--data pairs:DIR" in caught.value.hint
