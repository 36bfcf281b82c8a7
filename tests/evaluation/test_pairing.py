"""Which files are compared."""

import cv2
import numpy as np
import pytest

from toolkit.errors import DataError
from toolkit.evaluation.pairing import pair_images


@pytest.fixture
def put(tmp_path):
    """Writes an image below the test's folder."""

    def write(name, height=8, width=12):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        suffix = path.suffix or ".png"
        path.write_bytes(cv2.imencode(suffix, np.zeros((height, width, 3), np.uint8))[1])
        return path

    return write


def paired(tmp_path):
    images, aside = pair_images(tmp_path / "sr", tmp_path / "hr")
    folder = tmp_path / "hr"
    return {each.name: each.hr.relative_to(folder).as_posix() for each in images}, dict(aside)


@pytest.mark.parametrize(
    ("sr", "hr", "names"),
    [
        (["a.png", "b_x4.jpg"], ["a.jpg", "b.webp"], {"a": "a.jpg", "b": "b.webp"}),
        (
            ["a.png", "a.jpg"],
            ["a.jpg", "a.png"],
            {"a.png": "a.png", "a.jpg": "a.jpg"},
        ),
        (
            ["a.jpg.png", "a.png_x4.png"],
            ["a.jpg", "a.png"],
            {"a.jpg": "a.jpg", "a.png": "a.png"},
        ),
        (["a_x1.png", "b_x16.jpg"], ["a.jpg", "b.webp"], {"a": "a.jpg", "b": "b.webp"}),
        (["d/a_x4.png", "a.png"], ["a.png", "d/a.png"], {"d/a": "d/a.png", "a": "a.png"}),
    ],
)
def test_the_closest_name_is_the_partner(put, tmp_path, sr, hr, names):
    for name in sr:
        put(f"sr/{name}")
    for name in hr:
        put(f"hr/{name}")
    assert paired(tmp_path) == (names, {})


def test_what_could_have_two_partners_is_set_aside_and_the_rest_goes_on(put, tmp_path):
    for name in ("sr/a.webp", "sr/b.png", "hr/a.jpg", "hr/a.png", "hr/b.png"):
        put(name)
    names, aside = paired(tmp_path)
    assert names == {"b": "b.png"}
    assert set(aside) == {"a", "a.jpg", "a.png"}
    assert "or several" in aside["a"]


def test_hr_that_is_cut_is_told(put, tmp_path):
    put("sr/a.png", 96, 100)
    put("hr/a.png", 99, 101)
    put("sr/b.png", 96, 100)
    put("hr/b.png", 96, 100)
    put("sr/c.png", 96, 100)
    put("hr/c.png", 104, 100)
    images, _ = pair_images(tmp_path / "sr", tmp_path / "hr")
    assert [each.note for each in images] == ["HR of 101x99 px was cut to 100x96", "", ""]


def test_nothing_in_common_is_refused(put, tmp_path):
    put("sr/a.png")
    put("hr/b.png")
    with pytest.raises(DataError, match="has the name of an image"):
        pair_images(tmp_path / "sr", tmp_path / "hr")
