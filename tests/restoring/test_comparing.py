"""Sheets of several restorers' results."""

import torch

from toolkit.images import Picture, bicubic_resize, read_picture, write_picture
from toolkit.restoring.comparing import compare_files, draw_comparison
from toolkit.restoring.jobs import plan_jobs
from toolkit.restoring.treatment import Treatment


class Tinting:
    scale = 4

    def __init__(self, name, tint):
        self.name, self.tint = name, tint

    def __call__(self, lr):
        return (bicubic_resize(lr, 4) * torch.tensor(self.tint)[:, None, None]).clamp(0, 1)


def test_a_sheet_for_each_image(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.png", "b.jpg"):
        write_picture(Picture(torch.rand(3, 30, 40)), tmp_path / "in" / name)
    (tmp_path / "in" / "c.png").write_bytes(b"nothing")
    restorers = {
        name: (Tinting(name, tint), Treatment())
        for name, tint in {"red": (1.0, 0, 0), "blue": (0, 0, 1.0)}.items()
    }
    jobs = plan_jobs([tmp_path / "in"], tmp_path / "out", "_compare", suffix=".png")
    results = compare_files(restorers, jobs)
    assert [bool(each.error) for each in results] == [False, False, True]
    sheet = read_picture(tmp_path / "out" / "a.png").rgb
    third = sheet.shape[2] // 3
    left, middle, right = (sheet[:, 60, n * third + 60] for n in range(3))
    assert left.min() > 0
    assert middle[1:].max() < 0.02 < middle[0]
    assert right[:2].max() < 0.02 < right[2]
    assert [each.kept for each in compare_files(restorers, jobs[:1], existing="skip")] == [True]


def test_the_part_in_which_they_differ_is_shown():
    one = torch.full((3, 1000, 1500), 0.5)
    other = one.clone()
    other[:, 700:760, 1200:1260] = torch.tensor([1.0, 0, 0])[:, None, None]
    sheet = draw_comparison(one[:, ::4, ::4], [one, other], ["input", "one", "other"])
    red = (sheet[0] > 0.9) & (sheet[1] < 0.1)
    assert red[: sheet.shape[1] // 2].sum() < 700  # reduced in the whole image
    assert red[sheet.shape[1] // 2 :].sum() == 3600  # full size below
