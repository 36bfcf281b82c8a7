"""Rows of a resized image, made without the rest."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.images import bicubic_resize, bicubic_rows, resizing
from toolkit.images.resizing import rows_needed, rows_of


def image(height, width):
    rng = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, height, width, generator=rng, dtype=torch.float64)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 90), st.data())
def test_rows_are_those_of_the_whole(height, new_height, data):
    first = data.draw(st.integers(0, new_height - 1))
    end = data.draw(st.integers(first + 1, new_height))
    size = new_height, data.draw(st.integers(1, 20))
    given_image = image(height, 7)
    wanted = bicubic_resize(given_image, size)[:, :, first:end]
    torch.testing.assert_close(bicubic_rows(given_image, size, first, end), wanted)
    top, bottom = rows_needed(height, new_height, first, end)
    part = given_image[:, :, top:bottom]  # nothing else is needed
    torch.testing.assert_close(rows_of(part, top, height, size, first, end), wanted)


@pytest.mark.parametrize("height", [2, 7, 40])
def test_a_single_column_is_resized_as_one_of_several(height):
    given_image = image(20, 1)
    wanted = bicubic_resize(given_image.expand(-1, -1, -1, 3), (height, 3))[..., :1]
    torch.testing.assert_close(bicubic_resize(given_image, (height, 1)), wanted)
    assert wanted.diff(dim=2).abs().min() > 0


@pytest.mark.parametrize("size", [(20, 12), (5, 6)])
def test_an_image_that_keeps_its_height_is_not_smoothed(size):
    given_image = image(20, 12)
    made = bicubic_rows(given_image, (20, size[1]), 3, 9)
    assert torch.equal(made, bicubic_resize(given_image[:, :, 3:9], (6, size[1])))


def test_examples_run():
    assert doctest.testmod(resizing).failed == 0
