"""Images to scores: sizes, profiles and transparency, as everywhere in the toolkit."""

import shutil

import cv2
import numpy as np
import torch

from toolkit.colour_profiles import read_photo
from toolkit.discovery import installed
from toolkit.evaluation.document import document
from toolkit.evaluation.scores import prepare
from toolkit.evaluation.scoring import score
from toolkit.images import Metadata, Picture, write_picture


def run(folders, registry, *names):
    return score(prepare(*folders, names, registry), None)


def test_hr_is_cut_by_less_than_an_lr_pixel(folders):
    sr, hr = folders
    rng = np.random.default_rng(0)
    for name, (height, width) in {"d": (99, 101), "e": (100, 100), "f": (99, 99)}.items():
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        cv2.imwrite(str(hr / f"{name}.png"), pixels)
        cv2.imwrite(str(sr / f"{name}.png"), pixels[:96, :100])
    scores = run(folders, installed(), "psnr-y")
    assert {name: scores.figures[name]["psnr-y"] for name in "df"} == {"d": 80.0, "f": 80.0}
    [(image, _, told)] = scores.missing
    assert image == "e"
    assert "100x96" in told
    notes = {each["name"]: each["note"] for each in document(scores)["images"]}
    assert notes["d"] == "HR of 101x99 px was cut to 100x96"
    assert notes["a"] == ""


def test_profiles_and_transparency_are_read_as_everywhere_else(tmp_path, wide_profile):
    for folder in ("hr", "sr"):
        (tmp_path / folder).mkdir()
    rng = torch.Generator().manual_seed(0)
    coloured = Picture(torch.rand(3, 16, 16, generator=rng), metadata=Metadata(icc=wide_profile))
    clear = Picture(
        torch.rand(3, 16, 16, generator=rng), alpha=torch.rand(1, 16, 16, generator=rng)
    )
    for name, picture in {"coloured": coloured, "clear": clear}.items():
        original = tmp_path / "hr" / f"{name}.png"
        write_picture(picture, original)
        write_picture(Picture(read_photo(original)), tmp_path / "sr" / f"{name}.png")
        shutil.copyfile(original, tmp_path / "sr" / f"same-{name}.png")
        shutil.copyfile(original, tmp_path / "hr" / f"same-{name}.png")
    scores = run((tmp_path / "sr", tmp_path / "hr"), installed(), "psnr-y")
    found = {name: figures["psnr-y"] for name, figures in scores.figures.items()}
    assert found == {"coloured": 80.0, "clear": found["clear"], "same-coloured": 80.0,
                     "same-clear": 80.0}  # fmt: skip
    assert found["clear"] > 60  # rounded to 8 bits once more


def test_one_pixel_has_a_psnr_and_no_ssim(tmp_path):
    for folder in ("sr", "hr"):
        (tmp_path / folder).mkdir()
        cv2.imwrite(str(tmp_path / folder / "dot.png"), np.full((1, 1, 3), 9, np.uint8))
    scores = run((tmp_path / "sr", tmp_path / "hr"), installed(), "psnr-y", "ssim-y")
    assert list(scores.figures["dot"]) == ["psnr-y"]
    assert scores.interval("psnr-y") is None
    assert "11 pixels" in scores.missing[0][2]
