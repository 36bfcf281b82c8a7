"""Where outputs go, and what is refused before any work."""

from pathlib import Path

import pytest

from toolkit.errors import DataError, UsageError
from toolkit.restoring.jobs import Job, check_outputs, plan_jobs, suffix_of


@pytest.fixture(autouse=True)
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b.gif", "photos/a.jpg", "photos/deep/c.PNG", "photos/notes.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    Path("empty").mkdir()


def planned(*inputs, out=None, **more):
    return {str(j.source): str(j.destination) for j in plan_jobs(inputs, out, **more)}


def test_beside_the_input():
    assert planned("a.jpg") == {"a.jpg": "a_x4.jpg"}
    assert planned("photos") == {
        "photos/a.jpg": "photos_x4/a.jpg",
        "photos/deep/c.PNG": "photos_x4/deep/c.PNG",
    }
    assert planned("a.jpg", mark="_x2") == {"a.jpg": "a_x2.jpg"}


def test_the_present_folder_has_a_name(tmp_path):
    destinations = [job.destination for job in plan_jobs(["."])]
    assert tmp_path.with_name(f"{tmp_path.name}_x4") / "photos/deep/c.PNG" in destinations


def test_the_folder_above_has_a_name(tmp_path, monkeypatch):
    (tmp_path / "photos" / "deep").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "photos" / "deep")
    destinations = {job.destination for job in plan_jobs([".."])}
    assert tmp_path / "photos_x4" / "a.jpg" in destinations


def test_into_a_folder():
    assert planned("a.jpg", "photos/deep", out="sr") == {
        "a.jpg": "sr/a.jpg",
        "photos/deep/c.PNG": "sr/c.PNG",
    }
    Path("sr.png").mkdir()
    assert planned("a.jpg", out="sr.png") == {"a.jpg": "sr.png/a.jpg"}
    assert planned("a.jpg", out="run-0.5") == {"a.jpg": "run-0.5/a.jpg"}


def test_to_one_file():
    assert planned("a.jpg", out="b.png") == {"a.jpg": "b.png"}


def test_formats_that_are_not_written_become_png():
    assert planned("b.gif") == {"b.gif": "b_x4.png"}
    Path("photos/a.gif").touch()
    Path("photos/a.png").touch()
    made = planned("photos")
    assert made["photos/a.gif"] == "photos_x4/a.gif.png"
    assert made["photos/a.png"] == "photos_x4/a.png"
    Path("scan.2024").touch()
    assert planned("scan.2024", out="sr") == {"scan.2024": "sr/scan.2024.png"}


def test_a_second_run_does_not_restore_the_first_ones_output():
    first = planned("photos", out="photos/sr")
    Path("photos/sr").mkdir()
    Path("photos/sr/a.jpg").touch()
    assert planned("photos", out="photos/sr") == first


def test_the_same_image_twice_is_one_job():
    assert len(plan_jobs(["photos", "photos/a.jpg", "photos"], "sr")) == 2


def test_another_format_for_all():
    Path("photos/a.png").touch()
    assert planned("photos", "b.gif", out="sr", suffix=".png") == {
        "photos/a.jpg": "sr/a.jpg.png",
        "photos/a.png": "sr/a.png",
        "photos/deep/c.PNG": "sr/deep/c.png",
        "b.gif": "sr/b.png",
    }
    assert planned("a.jpg", suffix=".webp") == {"a.jpg": "a_x4.webp"}


def test_new_names_where_files_exist():
    for name in ("a_x4.jpg", "a_x4-2.jpg"):
        Path(name).touch()
    assert planned("a.jpg", rename=True) == {"a.jpg": "a_x4-3.jpg"}
    Path("sr").mkdir()
    Path("sr/a.jpg").touch()
    Path("a-2.jpg").touch()
    made = planned("a.jpg", "a-2.jpg", out="sr", rename=True)
    assert made == {"a.jpg": "sr/a-3.jpg", "a-2.jpg": "sr/a-2.jpg"}


def test_patterns_are_replaced_by_what_matches():
    Path("a [1].jpg").touch()
    assert list(planned("*.jpg", out="sr")) == ["a [1].jpg", "a.jpg"]
    assert list(planned("a [1].jpg", out="sr")) == ["a [1].jpg"]  # a name, not a pattern
    assert list(planned("photos/**/*.PNG", out="sr")) == ["photos/deep/c.PNG"]
    with pytest.raises(DataError, match=r"Nothing matches x\*\.jpg"):
        planned("x*.jpg")


@pytest.mark.parametrize("name", ["png", ".png", "PNG"])
def test_formats_by_name(name):
    assert suffix_of(name) == ".png"
    assert suffix_of(None) == ""


def test_formats_that_cannot_be_written():
    with pytest.raises(UsageError, match="--format-out gif") as told:
        suffix_of("gif")
    assert " png " in told.value.hint


@pytest.mark.parametrize(
    ("inputs", "out", "message"),
    [
        ([], None, "No image"),
        (["missing.png"], None, r"missing\.png does not exist"),
        (["missing.png"], "out.png", r"missing\.png does not exist"),
        (["empty"], None, "folder empty contains no image"),
        (["a.jpg", "b.gif"], "one.png", r"one\.png names one file"),
        (["photos"], "one.png", r"one\.png names one file"),
        (["a.jpg"], "one.gif", r"one\.gif: images cannot be written as '\.gif'"),
        (["a.jpg"], "a.jpg", r"would overwrite the input a\.jpg"),
        (["a.jpg"], ".", r"would overwrite the input a\.jpg"),
        (["photos"], "photos", "would overwrite the input"),
        (["a.jpg", "photos"], "sr", r"a\.jpg and photos/a\.jpg would both be written to sr/a\.jpg"),
    ],
)
def test_what_is_refused(inputs, out, message):
    with pytest.raises(UsageError, match=message) as caught:
        plan_jobs(inputs, out)
    assert caught.value.hint


def test_a_link_to_the_input_is_the_input():
    Path("link").symlink_to("photos", target_is_directory=True)
    with pytest.raises(UsageError, match="would overwrite"):
        plan_jobs(["photos/a.jpg"], "link")


def test_missing_data_is_a_data_error():
    with pytest.raises(DataError):
        plan_jobs(["missing.png"])


def test_output_folders_are_made_and_left_empty():
    check_outputs([Job(Path("a.jpg"), Path("new/deep/a.jpg"))])
    assert list(Path("new/deep").iterdir()) == []


def test_an_unwritable_folder_is_named(monkeypatch):
    with pytest.raises(UsageError, match=r"folder a\.jpg/sr") as caught:
        check_outputs([Job(Path("a.jpg"), Path("a.jpg/sr/a.jpg"))])
    assert "--out" in caught.value.hint

    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "touch", closed)
    with pytest.raises(UsageError, match="folder empty: Permission denied"):
        check_outputs([Job(Path("a.jpg"), Path("empty/a.jpg"))])
