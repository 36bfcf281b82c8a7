"""Latents of HR images: encoded once, and kept for crops that recur."""

import cv2
import pytest
from tiny_training import assert_same, batch, build, train

from toolkit.contracts import encode
from toolkit.training import system
from toolkit.training.step import train_step


@pytest.fixture
def encoded(monkeypatch):
    """Collects how many images are encoded as targets at once."""
    counts = []

    def counted(generator, hr, shape):
        counts.append(len(hr))
        return encode(generator, hr, shape)

    monkeypatch.setattr(system, "encode", counted)
    return counts


@pytest.fixture
def squares(tmp_path, photo_folder):
    """Two photographs of the size of a crop, so that each crop is one of four."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for path in sorted(photo_folder.iterdir())[:2]:
        assert cv2.imwrite(str(folder / path.name), cv2.imread(str(path))[:32, :32])
    return f"folder:{folder}"


@pytest.mark.parametrize("accumulate", [1, 2])
def test_targets_are_encoded_once_a_step(encoded, accumulate):
    train_step(build(latent=1.0, accumulate=accumulate), batch(4), 0)
    assert encoded == [4 // accumulate] * accumulate


@pytest.mark.parametrize("latent", [0.0, 1.0])
def test_images_that_are_judged_need_no_latent(encoded, latent):
    train_step(build(latent=latent, disc="none"), batch(), 0)
    assert encoded == ([2] if latent else [])


def test_kept_ones_give_the_same_losses_with_less_work(tmp_path, squares, encoded):
    options = {"data": squares, "latent": 1.0, "batch": 1, "steps": 12}
    plain, log = train(tmp_path / "plain", **options)
    assert encoded == [1] * 12
    encoded.clear()
    kept, again = train(tmp_path / "kept", **options, cache_latents=100)
    assert log == again
    assert_same(plain, kept)
    assert 2 <= len(encoded) <= 4


def test_a_resumed_run_keeps_nothing_yet_and_goes_on_exactly(tmp_path, squares, encoded):
    options = {"data": squares, "latent": 1.0, "batch": 2, "cache_latents": 100}
    whole, log = train(tmp_path / "whole", **options)
    once = len(encoded)
    parts, again = train(tmp_path / "parts", **options, stop=2)
    assert log == again
    assert_same(whole, parts)
    assert len(encoded) - once > once
    assert set(encoded) == {1}  # rounding would depend on how many are encoded at once


def test_no_more_are_kept_than_may_be(squares, encoded):
    trained = build(data=squares, latent=1.0, cache_latents=1)
    one = batch(1)._replace(crops=("a",))
    for crop in ("a", "b", "a", "b"):
        train_step(trained, one._replace(crops=(crop,)), 0)
    assert encoded == [1, 1, 1]
    assert list(trained._kept) == ["a"]
