"""Tiles against whole images: no seam, no gap, no size that fails."""

import doctest
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ToolkitError, UsageError
from toolkit.images import bicubic_resize
from toolkit.restoring import tiles
from toolkit.restoring.tiles import fitting_tile, joined, restored_strips, windows


def restore_tiled(restorer, lr, *tiles, **calls):
    """All strips, joined."""
    strips = restored_strips(restorer, lr, *tiles, **calls)
    return joined(strips, lr.shape[2] * restorer.scale)


class Convolution:
    """Local: an SR pixel depends on LR pixels up to `radius` away. Black beyond the border."""

    name = "toy"
    scale = 4

    def __init__(self, radius=2):
        self.seen = []
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Conv2d(3, 48, 2 * radius + 1, padding=radius), torch.nn.PixelShuffle(4)
        )

    def __call__(self, lr):
        self.seen.append(tuple(lr.shape[-2:]))
        return self.network(lr)


class Brightening:
    """Answers each tile with another brightness, as a network with global attention may."""

    name = "drifting"
    scale = 2

    def __init__(self):
        self.calls = 0

    def __call__(self, lr):
        self.calls += 1
        return torch.full_like(bicubic_resize(lr, 2), float(self.calls % 2))


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 400), st.integers(1, 100), st.data())
def test_windows_cover_evenly_and_sum_to_one(size, tile, data):
    overlap = data.draw(st.integers(0, tile // 2))
    placed = list(windows(size, tile, overlap))
    assert placed[0].start == 0
    assert placed[-1].stop == size
    assert {window.stop - window.start for window in placed} == {min(tile, size)}
    for left, right in pairwise(placed):
        assert left.stop - right.start >= overlap
    total = torch.zeros(2 * size)
    for window in placed:
        share = window.weights(2)
        assert 0 <= share.min() <= share.max() <= 1
        total[2 * window.start : 2 * window.stop] += share
    assert torch.allclose(total, torch.ones(2 * size), atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([(24, 8), (32, 16), (20, 9)]))
def test_tiles_equal_the_whole_for_a_local_restorer(height, width, setting):
    tile, overlap = setting
    lr = torch.rand(1, 3, height, width)
    whole = restore_tiled(Convolution(), lr, tile=0)
    assert whole.shape == (1, 3, 4 * height, 4 * width)
    assert torch.allclose(restore_tiled(Convolution(), lr, tile, overlap), whole, atol=1e-5)


def test_context_is_what_makes_them_equal():
    lr = torch.rand(1, 3, 60, 60)
    whole = restore_tiled(Convolution(radius=4), lr, tile=0)
    assert torch.allclose(restore_tiled(Convolution(radius=4), lr, 32, 16), whole, atol=1e-5)
    assert not torch.allclose(restore_tiled(Convolution(radius=4), lr, 32, 4), whole, atol=1e-3)


def test_tiles_that_disagree_fade_into_each_other():
    sr = restore_tiled(Brightening(), torch.rand(1, 3, 48, 90), tile=48, overlap=24)
    steps = sr[0, 0].diff(dim=1).abs()
    assert sr.min() == 0
    assert sr.max() == 1
    assert steps.max() < 0.08  # a hard seam would be a step of 1
    assert (steps > 0).sum(dim=1).max() <= 2 * 2 * 24


def test_the_automatic_choice():
    small, large = Convolution(), Convolution()
    restore_tiled(small, torch.rand(1, 3, 256, 256))
    restore_tiled(large, torch.rand(1, 3, 256, 257))
    assert small.seen == [(256, 256)]
    assert set(large.seen) == {(192, 192)}


@pytest.mark.parametrize(
    ("free", "device", "small", "large"),
    [
        (None, "cpu", 0, 192),
        (10 * 10**9, "cpu", 0, 192),
        (2 * 10**9, "cpu", 96, 96),
        (500 * 10**6, "cpu", 48, 48),
        (10**6, "cpu", 48, 48),
        (80 * 10**9, "cuda", 0, 512),
        (10 * 10**9, "cuda", 0, 192),
    ],
)
def test_tiles_follow_the_free_memory(monkeypatch, free, device, small, large):
    monkeypatch.setattr(tiles, "free_memory_of", lambda _: free)
    assert fitting_tile(256, 256, torch.device(device)) == small
    assert fitting_tile(256, 257, torch.device(device)) == large


def test_whole_means_whole():
    restorer = Convolution()
    restore_tiled(restorer, torch.rand(1, 3, 1, 300), tile=0, overlap=32)
    assert restorer.seen == [(1, 300)]


def test_progress_and_batches():
    told = []
    lr = torch.rand(2, 3, 40, 40)
    sr = restore_tiled(Convolution(), lr, 24, 8, on_tile=lambda *done: told.append(done))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sr.shape == (2, 3, 160, 160)
    assert not sr.requires_grad


@pytest.mark.parametrize(("tile", "overlap"), [(-1, None), (16, 9), (16, -1)])
def test_impossible_tiles(tile, overlap):
    with pytest.raises(UsageError, match="not possible") as caught:
        restore_tiled(Convolution(), torch.rand(1, 3, 40, 40), tile, overlap)
    assert "--tile" in caught.value.hint


@pytest.mark.parametrize("tile", [1, 2, 3, 7])
def test_tiny_tiles_work(tile):
    assert restore_tiled(Brightening(), torch.rand(1, 3, 5, 4), tile).isfinite().all()


def test_faulty_restorers_are_named():
    wrong = type("Wrong", (), {"name": "wrong", "scale": 4, "__call__": lambda _, lr: lr})()
    told = r"'wrong' .*returned a tensor \[1, 3, 8, 8\].*, not a float tensor \[1, 3, 32, 32\]"
    with pytest.raises(ToolkitError, match=told):
        restore_tiled(wrong, torch.rand(1, 3, 8, 8))
    overflowing = Convolution()
    overflowing.network[0].weight.data.fill_(torch.inf)
    with pytest.raises(ToolkitError, match="not finite"):
        restore_tiled(overflowing, torch.rand(1, 3, 8, 8))


def test_examples_run():
    assert doctest.testmod(tiles).failed == 0
