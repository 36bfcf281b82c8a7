"""Crops as they are named, checked, and chosen where images differ."""

import pytest
import torch

from toolkit.errors import UsageError
from toolkit.figures.crops import Crop, most_different, parse_crop


def test_a_crop_is_cut_at_its_place():
    image = torch.arange(48.0).view(1, 6, 8)
    assert Crop(3, 1, 2).of(image).tolist() == [[[11.0, 12.0], [19.0, 20.0]]]


def test_auto_is_no_crop():
    assert parse_crop("auto") is None


@pytest.mark.parametrize("text", ["", "1,2", "a,b,c", "-1,0,8", "0,-1,8", "0,0,0", "1.5,0,8"])
def test_what_is_no_crop_is_refused(text):
    with pytest.raises(UsageError, match="X,Y,SIDE") as caught:
        parse_crop(text)
    assert "--crop 40,64,128" in caught.value.hint


@pytest.mark.parametrize("crop", [Crop(0, 0, 33), Crop(17, 0, 16), Crop(0, 17, 16)])
def test_a_crop_outside_of_the_image_is_refused_with_one_that_fits(crop):
    with pytest.raises(UsageError, match="outside of bridge, which has 32x32 px") as caught:
        crop.check(32, 32, "bridge")
    assert f"--crop 0,0,{min(crop.side, 32)}" in caught.value.hint


def test_a_crop_up_to_the_edges_fits():
    Crop(16, 16, 16).check(32, 32, "bridge")


def test_the_difference_is_found_where_it_is():
    one, other = torch.zeros(3, 96, 80), torch.zeros(3, 96, 80)
    other[:, 64:80, 16:32] = 0.5
    crop, difference = most_different([one, other], 16)
    assert crop == Crop(16, 64, 16)
    assert difference == pytest.approx(0.0625)


def test_a_small_image_is_its_own_crop():
    crop, _ = most_different([torch.zeros(3, 20, 30), torch.ones(3, 20, 30)])
    assert crop.side == 20
