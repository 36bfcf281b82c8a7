"""What a table is measured on, as files: whole or in part, with originals or without."""

import cv2
import numpy as np
import pytest

from toolkit.discovery import installed
from toolkit.errors import DataError
from toolkit.evaluation.photographs import write_photographs


def sizes(folder):
    """Height and width of each image, by name."""
    return {path.stem: cv2.imread(str(path)).shape[:2] for path in sorted(folder.rglob("*.png"))}


@pytest.fixture
def pairs(tmp_path):
    """A pair, and an original whose partner is missing."""
    rng = np.random.default_rng(0)
    for name, side in {"HR/a": (720, 560), "LR/a": (180, 140), "HR/b": (720, 560)}.items():
        path = tmp_path / "pairs" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rng.integers(0, 256, (*side, 3), dtype=np.uint8))
    return tmp_path / "pairs"


def test_the_middle_of_hr_and_the_same_of_lr(pairs, tmp_path):
    written = write_photographs(tmp_path, f"pairs:{pairs}", "", None, installed(), "crop512")
    assert sizes(written.hr) == {"a": (512, 512)}
    assert sizes(written.lr) == {"a": (128, 128)}
    whole = cv2.imread(str(pairs / "HR" / "a.png"))
    assert np.array_equal(cv2.imread(str(written.hr / "HR" / "a.png")), whole[104:616, 24:536])
    recorded = cv2.imread(str(pairs / "LR" / "a.png"))
    assert np.array_equal(cv2.imread(str(written.lr / "HR" / "a.png")), recorded[26:154, 6:134])


def test_lr_is_made_of_the_middle(photo_folder, pairs, tmp_path):
    made = write_photographs(
        tmp_path, f"folder:{pairs / 'HR'}", "bicubic", 1, installed(), "crop512"
    )
    assert sizes(made.hr) == {"a": (512, 512)}
    assert sizes(made.lr) == {"a": (128, 128)}
    small = write_photographs(
        tmp_path, f"folder:{photo_folder}", "bicubic", None, installed(), "crop512"
    )
    assert set(sizes(small.hr).values()) == {(80, 96)}


def test_a_pair_that_is_missing_is_told_and_the_rest_is_there(pairs, tmp_path):
    written = write_photographs(tmp_path, f"pairs:{pairs}", "", None, installed())
    assert written.count == 1
    assert [name for name, _ in written.skipped] == ["HR/b.png"]
    again = write_photographs(tmp_path, f"pairs:{pairs}", "", None, installed())
    assert again == written


def test_what_was_recorded_is_measured_on_as_it_is(pairs, tmp_path):
    own = write_photographs(tmp_path, f"pairs:{pairs}", "", None, installed())
    recorded = write_photographs(tmp_path, f"pairs:{pairs}", "recorded", None, installed())
    for one, other in zip(sorted(own.lr.rglob("*.png")), sorted(recorded.lr.rglob("*.png")),
                          strict=True):  # fmt: skip
        assert np.array_equal(cv2.imread(str(one)), cv2.imread(str(other)))
    assert recorded.count == 1


def test_no_lr_is_made_of_what_has_no_original(photo_folder, tmp_path):
    with pytest.raises(DataError, match="holds no photograph that can be measured on"):
        write_photographs(tmp_path, f"realset65:{photo_folder}", "bicubic", None, installed())
