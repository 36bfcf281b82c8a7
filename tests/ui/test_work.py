"""Restoring uploads."""

import zipfile

import cv2
import pytest

from toolkit.errors import UsageError
from toolkit.ui.work import pack, restore_uploads


@pytest.fixture
def work(load, photographs, tmp_path):
    """Restores the named photographs; returns the outcomes and what was reported."""

    def call(*names, restorer="bicubic", **settings):
        told = []
        folder = tmp_path / "work"
        folder.mkdir()
        done = restore_uploads(
            load(restorer), [photographs / name for name in names], folder,
            report=lambda *each: told.append(each), **settings,
        )  # fmt: skip
        return done, told

    return call


def test_results_are_those_of_toolkit_restore(work, restored):
    [outcome], _ = work("first.jpg")
    assert outcome.result.name == "first_x4.jpg"
    assert outcome.result.read_bytes() == restored("first.jpg")
    assert b"A camera" in outcome.result.read_bytes()
    assert outcome.told == "40 × 30 → 160 × 120 pixels"


def test_size_and_strength_are_those_of_toolkit_restore(work, restored):
    from toolkit.restoring.sizes import Size

    [outcome], _ = work("first.jpg", restorer="lanczos", scale=2.0, strength=0.4)
    assert outcome.result.name == "first_x2.jpg"
    expected = restored("first.jpg", "lanczos", size=Size(2.0), strength=0.4)
    assert outcome.result.read_bytes() == expected
    assert expected != restored("first.jpg", "lanczos", size=Size(2.0))


def test_previews_have_one_size(work):
    [outcome], _ = work("second.png", scale=2.0)
    before, after = (cv2.imread(str(path)) for path in (outcome.before, outcome.after))
    assert before.shape == after.shape == (50, 70, 3)


def test_a_broken_file_does_not_stop_the_others_and_is_told_by_its_name_alone(work, photographs):
    done, _ = work("broken.jpg", "second.png")
    assert [each.result and each.result.name for each in done] == [None, "second_x4.png"]
    assert done[0].told.startswith("broken.jpg is truncated")
    assert done[0].hints == ("Copy or download the file again",)


def test_progress_is_reported_over_all_photographs(work):
    _, told = work("first.jpg", "second.png")
    assert (told[0], told[-1]) == ((0.0, "first.jpg"), (1.0, "second.png"))
    assert [share for share, _ in told] == sorted(share for share, _ in told)


def test_more_than_the_restorer_enlarges_is_refused_in_the_pages_words(work):
    with pytest.raises(UsageError, match=r"enlarges ×4 at most") as refused:
        work("first.jpg", scale=8.0)
    assert refused.value.hint == "Choose Full, or a smaller size."


def test_one_result_is_downloaded_itself_and_several_as_an_archive(work, photographs, tmp_path):
    again = photographs / "again"
    again.mkdir()
    (again / "first.jpg").write_bytes((photographs / "first.jpg").read_bytes())
    done, _ = work("first.jpg", "broken.jpg", "second.png", "again/first.jpg")
    assert pack(done[:2], tmp_path) == done[0].result
    assert pack(done[1:2], tmp_path) is None
    with zipfile.ZipFile(pack(done, tmp_path)) as archive:
        assert archive.namelist() == ["1-first_x4.jpg", "second_x4.png", "3-first_x4.jpg"]
        assert archive.read("second_x4.png") == done[2].result.read_bytes()
