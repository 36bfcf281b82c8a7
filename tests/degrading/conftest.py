"""Image files to degrade, and a degradation that has only what one must have."""

import pytest
import torch

from toolkit.degrading.files import plan_photos
from toolkit.images import Picture, write_picture


class Plain:
    """Means of 2 x 2 pixels, with noise."""

    scale = 2

    def __call__(self, hr, rng):
        small = torch.nn.functional.avg_pool2d(hr[None], 2)[0]
        noise = torch.from_numpy(rng.normal(0, 0.05, tuple(small.shape))).float()
        return (small + noise).clamp(0, 1)

    def target(self, hr):
        return hr


@pytest.fixture
def plain():
    return Plain()


@pytest.fixture
def put(tmp_path):
    """Writes an image of this size below the test's folder."""

    def write(name, width=24, height=16):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.rand(3, height, width, generator=torch.Generator().manual_seed(width))
        write_picture(Picture(pixels), path)
        return path

    return write


@pytest.fixture
def plan(tmp_path):
    """`plan_photos` for results in `tmp_path / "out"`."""
    return lambda sources: plan_photos(sources, tmp_path / "out")
