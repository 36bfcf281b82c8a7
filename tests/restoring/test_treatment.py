"""Strength and size, in strips of any number."""

import pytest
import torch

from toolkit.images import bicubic_resize
from toolkit.restoring.sizes import Size
from toolkit.restoring.treatment import Treatment, treated_strips


class Inverting:
    name, scale = "inverting", 4

    def __call__(self, lr):
        return 1 - bicubic_resize(lr, 4).clamp(0, 1)


LR = torch.rand(2, 3, 50, 41, generator=torch.manual_seed(0))
WHOLE = 1 - bicubic_resize(LR, 4).clamp(0, 1)


def treated(**asked):
    strips = list(treated_strips(Inverting(), LR, Treatment(**asked)))
    return torch.cat(strips, 2), len(strips)


@pytest.mark.parametrize("size", [(50, 41), (25, 20), (200, 164), (199, 163), (7, 6)])
def test_sizes_are_resampled_from_the_whole(size):
    made, _ = treated(tile=0, size=Size(width=size[1], height=size[0]))
    wanted = bicubic_resize(WHOLE, tuple(made.shape[2:])).clamp(0, 1)
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)


@pytest.mark.parametrize("strength", [0.0, 0.25, 1.0])
def test_strength_mixes_the_input_and_the_result(strength):
    enlarged = bicubic_resize(LR, 4).clamp(0, 1)
    made, _ = treated(tile=0, strength=strength)
    wanted = (1 - strength) * enlarged + strength * WHOLE
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)


def test_strips_make_no_difference():
    asked = {"colour": "wavelet", "strength": 0.6, "size": Size(scale=1.7)}
    whole, one = treated(tile=0, **asked)
    parts, several = treated(tile=24, **asked)
    assert one < several or whole.shape[2] < 256
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(parts[inner], whole[inner], atol=2e-2, rtol=0)
    assert parts.shape == whole.shape == (2, 3, 85, 70)
