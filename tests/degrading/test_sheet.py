"""Sheets: any size of image and number of variants, and what they say."""

import pytest
import torch

from toolkit.degrading.sheet import draw_sheet, summarise

STEPS = [{"step": "blur", "sigma": [0.512345, 2]}, {"step": "jpeg", "quality": 61.234}]


def image(height, width):
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(height * width))


def variants(count, height, width, history=STEPS):
    return [(image(height, width), None if count == 1 else i, history) for i in range(count)]


@pytest.mark.parametrize(
    ("history", "told"),
    [
        (None, ""),
        ([], ""),
        (STEPS, "blur 0.512/2, jpeg 61.2"),
        ([{"step": "gaussian", "sigma": 5, "gray": True, "seed": 123}], "gaussian 5 gray"),
        ([{"step": "gaussian", "sigma": 5, "gray": False, "seed": 123}], "gaussian 5"),
        ([{"step": "resize", "mode": "area", "factor": 1e-3}], "resize area 0.001"),
        ([{"step": "g", "covariance": [[1, 0.25], [0.25, 1]]}], "g 1/0.25/0.25/1"),
        ([{}], ""),
    ],
)
def test_a_history_in_one_line(history, told):
    assert summarise(history) == told


@pytest.mark.parametrize("count", range(1, 10))
def test_any_number_of_variants(count):
    sheet = draw_sheet(image(32, 48), variants(count, 8, 12))
    cells = count + 1
    across = next(side for side in range(1, 5) if side * side >= cells)
    down = -(-cells // across)
    height, width = sheet.shape[1:]
    assert width == across * (12 * 33 + 8) + 8
    assert (height - 8) % down == 0
    assert (height - 8) // down > 8 * 33
    assert sheet.dtype == torch.float32
    assert 0 <= sheet.min() < sheet.max() <= 1


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 2), (2, 1), (3, 2), (1, 300), (300, 1), (159, 161), (200, 170)],
)
def test_any_size(height, width, scale):
    sheet = draw_sheet(image(scale * height, scale * width), variants(2, height, width))
    assert sheet.shape[0] == 3
    assert sheet.shape[2] >= 2 * 200
    assert max(sheet.shape) <= 1300
    assert 0 <= sheet.min() < sheet.max() <= 1


def test_the_middle_is_shown_in_big_pixels():
    lr = (image(200, 170) * 255).round() / 255
    sheet = draw_sheet(image(800, 680), [(lr, 7, None)])
    shown = sheet[:, 8 : 8 + 320, 8 + 328 : 8 + 328 + 320]
    middle = lr[:, 20:180, 5:165].repeat_interleave(2, 1).repeat_interleave(2, 2)
    torch.testing.assert_close(shown, middle)


def test_hr_stands_first_at_the_size_of_the_others():
    flat = torch.full((3, 40, 40), 0.2)
    sheet = draw_sheet(flat, [(torch.full((3, 10, 10), 0.6), 0, None)])
    hr, lr = sheet[:, 8:408, 8:408], sheet[:, 8:408, 416:816]
    torch.testing.assert_close(hr, torch.full_like(hr, 0.2))
    torch.testing.assert_close(lr, torch.full_like(lr, 0.6))


def test_a_long_history_has_room():
    short, long = (draw_sheet(image(32, 32), variants(3, 8, 8, STEPS * times)) for times in (1, 30))
    assert long.shape[2] == short.shape[2]
    assert long.shape[1] > short.shape[1]
