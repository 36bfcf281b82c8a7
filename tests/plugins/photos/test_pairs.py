"""Recorded pairs: which file belongs to which, and how their sizes fit."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms

import toolkit
from toolkit.errors import DataError, ImageError, OptionsError
from toolkit_photos.pairs import _crop, _File

ALONE = "no {} image has its name, or more than one has"


def write(folder, **sizes):
    """Images of (width, height), by their paths in a folder, each of its own colour."""
    for number, (name, (width, height)) in enumerate(sizes.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), np.full((height, width, 3), number + 1, np.uint8))


def pairs(folder):
    return toolkit.make("dataset", f"pairs:{folder}")


def numbers(dataset):
    """Which file was written first, second ... of each pair."""
    samples = [dataset[index] for index in range(len(dataset))]
    return [tuple(round(float(x.mean()) * 255) for x in sample[1:]) for sample in samples]


LAYOUTS = {
    "hr-lr": ("HR/a.png", "LR/a.png"),
    "gt-lq": ("gt/a.png", "lq/a.png"),
    "case": ("Hr/a.PNG", "lR/a.png"),
    "published": ("test_HR/a.png", "test_LR/a.png"),
    "suffixes": ("HR/a.bmp", "LR/a.tif"),
    "subfolders": ("HR/deep/er/a.png", "LR/deep/er/a.png"),
    "below": ("Canon/train/HR/a.png", "Canon/train/LR/a.png"),
    "x4": ("HR/a.png", "LR/a_x4.png"),
    "x4-joined": ("HR/0001.png", "LR/0001x4.png"),
    "lr4": ("HR/a.png", "LR/a_LR4.png"),
    "scale-of-folder": ("HR/a.png", "LRx4/a.png"),
    "both-marked": ("HR/a_HR.png", "LR/a_LR4.png"),
    "drealsr": ("test_HR/P115_x1.png", "test_LR/P115_x4.png"),
    "crops": ("test_HR/a_HR_crop_7.png", "test_LR/a_LR4_crop_7.png"),
    "realsr": ("Canon/Test/4/Canon_001_HR.png", "Canon/Test/4/Canon_001_LR4.png"),
    "beside": ("a_gt.png", "a_lq.png"),
    "scenes": ("scene-1/HR.png", "scene-1/LR.png"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    hr, lr = LAYOUTS[layout]
    write(tmp_path, **{hr: (24, 16), lr: (6, 4)})
    dataset = pairs(tmp_path)
    assert len(dataset) == 1
    assert dataset.skipped == ()
    assert dataset[0].name == hr
    assert dataset[0].hr.shape == (3, 16, 24)
    assert dataset[0].lr.shape == (3, 4, 6)
    assert numbers(dataset) == [(1, 2)]


def test_folders_by_name(tmp_path):
    write(tmp_path, **{"big/a.png": (8, 8), "DIV2K_LR_bicubic/X4/ax4.png": (2, 2)})
    dataset = toolkit.make(
        "dataset", "pairs", hr=tmp_path / "big", lr=tmp_path / "DIV2K_LR_bicubic" / "X4"
    )
    assert numbers(dataset) == [(1, 2)]
    assert dataset[0].name == "a.png"


def test_equal_names_come_first(tmp_path):
    """`box2` is not `bo` at a scale of 2, and one scene's files are not another's."""
    names = ["HR/box2.png", "HR/box3.png", "HR/b/box2.png", "LR/box2x4.png", "LR/box3.png"]
    write(tmp_path, **dict.fromkeys([*names, "LR/b/box2.png"], (4, 4)))
    dataset = pairs(tmp_path)
    assert numbers(dataset) == [(3, 6), (1, 4), (2, 5)]
    assert dataset.skipped == ()


def test_scales_in_folders_of_their_own_are_kept_apart(tmp_path):
    names = [f"Test/{s}/a_{side}.png" for s in (2, 4) for side in ("HR", f"LR{s}")]
    write(tmp_path, **dict.fromkeys(names, (4, 4)))
    assert numbers(pairs(tmp_path)) == [(1, 2), (3, 4)]


def test_what_has_no_partner_is_set_aside_and_named(tmp_path):
    names = ["HR/a.png", "HR/b.png", "HR/d.png", "LR/a.png", "LR/c.png", "LR/d_x2.png"]
    write(tmp_path, **dict.fromkeys([*names, "LR/d_x4.png", "cover.png"], (4, 4)))
    (tmp_path / "LR" / "b.png").write_text("no image")
    dataset = pairs(tmp_path)
    assert numbers(dataset) == [(1, 4)]
    assert dict(dataset.skipped) == {
        "LR/b.png": "damaged or not an image",
        "cover.png": "neither its folders nor its name say HR or LR",
        **dict.fromkeys(("HR/b.png", "HR/d.png"), ALONE.format("LR")),
        **dict.fromkeys(("LR/c.png", "LR/d_x2.png", "LR/d_x4.png"), ALONE.format("HR")),
    }


def test_no_pair_at_all_is_a_clear_error(tmp_path):
    with pytest.raises(DataError, match="no folder"):
        pairs(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no image"):
        pairs(tmp_path)
    write(tmp_path, **{"HR/a.png": (4, 4), "LR/b.png": (4, 4)})
    with pytest.raises(DataError, match="no pair of HR and LR") as caught:
        pairs(tmp_path)
    assert "data.hr=" in caught.value.hint
    with pytest.raises(DataError, match="no folder"):
        toolkit.make("dataset", "pairs", hr=tmp_path / "HR", lr=tmp_path / "nowhere")


@pytest.mark.parametrize("given", [{}, {"hr": "a"}, {"lr": "a"}, {"folder": "a", "hr": "b"}])
def test_half_of_the_options_is_an_error(given):
    with pytest.raises(OptionsError, match="pass either one folder, pairs:DIR, or both hr and lr"):
        toolkit.make("dataset", "pairs", **given)


@pytest.mark.parametrize(
    ("hr", "lr", "kept"),
    [
        ((103, 97), (25, 24), (100, 96)),
        ((7, 7), (7, 7), (7, 7)),
        ((11, 8), (3, 2), (9, 6)),
        ((2, 3), (1, 1), (2, 2)),
    ],
)
def test_a_rest_of_less_than_an_lr_pixel_is_cropped(tmp_path, hr, lr, kept):
    write(tmp_path, **{"HR/a.png": hr, "LR/a.png": lr})
    ramp = np.arange(hr[0] * hr[1], dtype=np.uint8).reshape(hr[1], hr[0])
    assert cv2.imwrite(str(tmp_path / "HR/a.png"), ramp)
    sample = pairs(tmp_path)[0]
    assert sample.hr.shape == (3, kept[1], kept[0])
    wanted = torch.from_numpy(ramp)[: kept[1], : kept[0]]
    assert torch.equal((sample.hr[0] * 255).round().byte(), wanted)


@pytest.mark.parametrize(
    ("hr", "lr"),
    [((100, 100), (25, 50)), ((104, 100), (25, 25)), ((99, 100), (25, 25)), ((10, 10), (25, 25))],
)
def test_sizes_that_do_not_fit_are_an_error_that_names_them(tmp_path, hr, lr):
    write(tmp_path, **{"HR/a.png": hr, "LR/a.png": lr})
    with pytest.raises(ImageError, match=rf"a\.png is {hr[0]}x{hr[1]} px") as caught:
        pairs(tmp_path)[0]
    assert f"{lr[0]}x{lr[1]} px" in str(caught.value)
    assert "Crop HR" in caught.value.hint


@given(*[st.integers(1, 12)] * 2, st.integers(1, 6), st.data())
def test_any_size_that_fits_is_cropped_to_it(rows, columns, factor, data):
    down, right = (data.draw(st.integers(0, factor - 1)) for _ in range(2))
    height, width = factor * rows + down, factor * columns + right
    hr = torch.arange(3.0 * height * width).reshape(3, height, width)
    file = _File("a.png", "a.png", is_hr=True, parts=())
    cropped = _crop(hr, torch.zeros(3, rows, columns), file, file)
    multiple = cropped.shape[1] // rows
    assert multiple >= factor  # of a tiny LR image, the rest may be one more of it
    assert cropped.shape[1:] == (multiple * rows, multiple * columns)
    assert torch.equal(cropped, hr[:, : cropped.shape[1], : cropped.shape[2]])


def test_both_sides_are_read_as_photographs(tmp_path):
    """By their profiles, and with transparency on white."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    for name, side in (("HR", 8), ("LR", 2)):
        (tmp_path / name).mkdir()
        image = Image.new("RGBA", (side, side), (255, 0, 0, 51))
        image.save(tmp_path / name / "a.png", icc_profile=swapped)
    sample = pairs(tmp_path)[0]
    for image in (sample.hr, sample.lr):
        assert (image[:, 0, 0] * 255).round().tolist() == [204, 204, 255]


def test_a_torn_file_is_an_error_of_its_own(tmp_path):
    write(tmp_path, **{"HR/a.png": (80, 80), "LR/a.png": (20, 20)})
    data = (tmp_path / "LR/a.png").read_bytes()
    (tmp_path / "LR/a.png").write_bytes(data[:-20])
    with pytest.raises(ImageError, match=r"LR/a\.png"):
        pairs(tmp_path)[0]
