"""Tiles whose predictions are blended."""

import doctest

import pytest
import torch

from toolkit_peers import latent_tiles
from toolkit_peers.ancestral import alphas_cumprod, x0
from toolkit_peers.latent_tiles import Box, blended, gaussian, grid_by_stride, sliding


def test_the_examples_hold():
    assert doctest.testmod(latent_tiles).failed == 0


@pytest.mark.parametrize("system", ["osediff", "seesr", "diffbir"])
def test_weights_are_the_published_ones(golden, close, system):
    close(gaussian(8, 8), golden(system)["tiles.gaussian8"], 1e-5)


def test_weights_of_large_tiles_are_the_published_ones(golden, close):
    close(gaussian(16, 16), golden("osediff")["tiles.gaussian16"], 1e-5)
    close(gaussian(96, 96)[48], golden("osediff")["tiles.gaussian96_row48"], 1e-5)


def test_weights_are_centred_half_a_pixel_lower_than_the_tile():
    weights = gaussian(6, 10)
    assert torch.equal(weights, weights.flip(1))
    assert torch.equal(weights[1:], weights[1:].flip(0))


@pytest.mark.parametrize(
    ("height", "width", "size", "overlap"), [(20, 12, 8, 2), (24, 40, 16, 4), (40, 10, 16, 4)]
)
def test_blends_like_osediff(golden, close, height, width, size, overlap):
    known, case = golden("osediff"), f"tiles.{height}x{width}_tile{size}_overlap{overlap}"
    latent = known[f"{case}.latent"]

    def predict(box):
        tile = box.crop(latent)
        wave = 0.05 * torch.sin(torch.tensor(9.99))
        return 0.3 * tile + wave + 0.2 * tile.mean((2, 3), keepdim=True)

    eps = blended(grid_by_stride(height, width, size, overlap), predict)
    close(eps, known[f"{case}.eps"], 1e-5)
    close(x0(latent, eps, alphas_cumprod()[999].item()), known[f"{case}.x0"], 1e-4)


@pytest.mark.parametrize(("height", "width", "size", "stride"), [(24, 20, 8, 4), (70, 64, 64, 32)])
def test_windows_are_those_of_diffbir(golden, height, width, size, stride):
    windows = golden("diffbir")[f"tiles.windows_{height}x{width}_size{size}_stride{stride}"]
    assert sliding(height, width, size, stride) == [Box(*each) for each in windows.tolist()]


def test_small_areas_are_one_box():
    assert grid_by_stride(4, 16, size=8, overlap=2) == [Box(0, 4, 0, 16)]
    assert len(grid_by_stride(4, 17, size=8, overlap=2)) > 1
    assert sliding(7, 100, size=8, stride=4) == [Box(0, 7, 0, 100)]
    assert sliding(8, 8, size=8, stride=4) == [Box(0, 8, 0, 8)]


@pytest.mark.parametrize("overlap", [29, 30, 32])
def test_a_narrow_latent_has_a_smaller_overlap(overlap):
    boxes = grid_by_stride(30, 400, size=96, overlap=overlap)
    assert all(box[:2] == (0, 30) and box.right - box.left == 30 for box in boxes)
    lefts = [box.left for box in boxes]
    assert lefts[:2] == ([0, 1] if overlap == 29 else [0, 15])
    assert lefts[-1] == 370


def test_a_strip_of_one_pixel_ends():
    assert len(grid_by_stride(1, 400, size=8, overlap=2)) == 400


def test_a_single_box_needs_no_weights():
    latent = torch.linspace(0, 1, 24).view(1, 1, 4, 6)
    assert torch.equal(blended([Box(0, 4, 0, 6)], lambda box: box.crop(latent)), latent)


def test_equal_predictions_stay_equal_at_a_larger_scale(close):
    image = torch.linspace(-1, 1, 2 * 3 * 80 * 48).view(2, 3, 80, 48)
    boxes = sliding(20, 12, size=8, stride=4)
    close(blended(boxes, lambda box: box.crop(image, 4), scale=4), image, 1e-6)


def test_weights_have_the_size_of_the_predictions(close):
    """At four times the size, weights are those of the larger tile, not enlarged ones."""
    boxes = [Box(0, 2, 0, 2), Box(0, 2, 1, 3)]
    numbers = iter([0.0, 1.0])
    mean = blended(boxes, lambda _: torch.full((1, 1, 8, 8), next(numbers)), scale=4)
    weight = gaussian(8, 8)
    wanted = weight[:, :4] / (weight[:, :4] + weight[:, 4:])
    close(mean[0, 0, :, 4:8], wanted, 1e-6)


def test_half_precision_is_accumulated_in_float32():
    latent = torch.full((1, 4, 20, 20), 0.1, dtype=torch.float16)
    boxes = grid_by_stride(20, 20, size=8, overlap=2)
    result = blended(boxes, lambda box: box.crop(latent))
    assert result.dtype == torch.float16
    assert torch.equal(result, latent)


def test_shapes_need_no_values():
    latent = torch.empty(2, 4, 20, 12, device="meta")
    with torch.device("meta"):
        result = blended(grid_by_stride(20, 12, 8, 2), lambda box: box.crop(latent))
    assert result.is_meta
    assert result.shape == latent.shape
