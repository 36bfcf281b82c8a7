"""The shipped photographs, and folders of one's own."""

import os
import tomllib

import pytest
from PIL import Image, ImageCms

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit_photos import folder
from toolkit_photos.names import Names
from toolkit_photos.plugin import SHIPPED


def attribution():
    return tomllib.loads((SHIPPED / "ATTRIBUTION.toml").read_text())["photo"]


def test_both_splits_are_there_and_apart():
    train, heldout = toolkit.make("dataset", "photos"), toolkit.make("dataset", "photos:heldout")
    assert len(train) >= 60
    assert len(heldout) == 20
    names = [{source[i].name for i in range(len(source))} for source in (train, heldout)]
    assert not names[0] & names[1]


def test_held_out_photographs_are_large_enough():
    heldout = toolkit.make("dataset", "photos:heldout")
    for index in range(len(heldout)):
        height, width = heldout[index].hr.shape[1:]
        assert min(height, width) >= 512
        assert height % 32 == width % 32 == 0


def test_every_photograph_is_attributed():
    files = {path.relative_to(SHIPPED).as_posix() for path in SHIPPED.rglob("*.webp")}
    assert {entry["file"] for entry in attribution()} == files
    for entry in attribution():
        assert entry["author"], entry["file"]
        assert entry["licence"], entry["file"]
        assert entry["package"], entry["file"]


def test_they_ship_within_their_budget():
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*")) < 25_000_000


def test_a_folder_is_searched_with_its_subfolders(tmp_path, photo_folder):
    first, *rest = sorted(photo_folder.iterdir())
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / first.name).write_bytes(first.read_bytes())
    (tmp_path / rest[0].name).write_bytes(rest[0].read_bytes())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "fake.png").write_text("no image either")
    dataset = toolkit.make("dataset", f"folder:{tmp_path}")
    names = {dataset[index].name for index in range(len(dataset))}
    assert names == {f"deep/er/{first.name}", rest[0].name}
    assert dataset.skipped == (("fake.png", "damaged or not an image"),)


def test_a_folder_has_a_part_to_choose_settings_by():
    folder = SHIPPED / "heldout"
    names = {}
    for part in ("all", "fit", "validation"):
        images = toolkit.make("dataset", {"use": "folder", "folder": str(folder), "part": part})
        names[part] = [images[i].name for i in range(len(images))]
    assert sorted(names["fit"] + names["validation"]) == names["all"]
    assert names["validation"] == names["all"][4::8]


def test_too_few_images_have_no_validation_part(photo_folder):
    with pytest.raises(DataError, match="too few for a validation part") as found:
        toolkit.make(
            "dataset", {"use": "folder", "folder": str(photo_folder), "part": "validation"}
        )
    assert "data.part=all" in found.value.hint


def test_a_torn_file_is_an_error_of_its_own(tmp_path, photo_folder):
    source = min(photo_folder.iterdir())
    (tmp_path / source.name).write_bytes(source.read_bytes()[:2000])
    with pytest.raises(ImageError, match=source.stem):
        toolkit.make("dataset", f"folder:{tmp_path}")[0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "There is no folder"),
        (lambda folder: folder, "There is no image in"),
    ],
)
def test_an_empty_or_missing_folder_is_a_clear_error(tmp_path, make, message):
    with pytest.raises(DataError, match=message):
        toolkit.make("dataset", f"folder:{make(tmp_path)}")


def test_photographs_are_read_in_srgb_and_opaque(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    image = Image.new("RGBA", (4, 4), (255, 0, 0, 51))
    image.save(tmp_path / "a.png", icc_profile=swapped)
    sample = toolkit.make("dataset", f"folder:{tmp_path}")[0]
    assert (sample.hr[:, 0, 0] * 255).round().tolist() == [204, 204, 255]


def test_jpegs_may_be_decoded_at_reduced_size(tmp_path):
    Image.new("RGB", (200, 120), (10, 20, 30)).save(tmp_path / "a.jpg")
    spec = {"use": "folder", "folder": str(tmp_path)}
    sizes = {
        side: toolkit.make("dataset", {**spec, "min_side": side})[0].hr.shape[1:]
        for side in (0, 100, 60)
    }
    assert sizes == {0: (120, 200), 100: (120, 200), 60: (60, 100)}


def test_a_large_folder_is_not_opened_beforehand(tmp_path, photo_folder, monkeypatch):
    for path in photo_folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "fake.png").write_text("no image")
    opened = []
    why_unreadable = folder.why_unreadable
    monkeypatch.setattr(
        folder, "why_unreadable", lambda path: opened.append(path) or why_unreadable(path)
    )
    small = toolkit.make("dataset", f"folder:{tmp_path}")
    assert len(opened) == 4
    monkeypatch.setattr(folder, "_CHECKED", 3)
    large = toolkit.make("dataset", f"folder:{tmp_path}")
    assert len(opened) == 4
    assert large.skipped == ()
    assert set(large.files) == {*small.files, "fake.png"}
    with pytest.raises(ImageError, match="damaged or not an image"):
        large[[*large.files].index("fake.png")]


def test_names_take_little_memory_and_keep_their_order():
    many = [f"{i % 7}/photo é {i}.jpg" for i in range(1000)] + [os.fsdecode(b"\xff.png")]
    names = Names(many)
    assert list(names) == many
    assert names[-1] == many[-1]
    assert names[3:5] == many[3:5]
    assert names.nbytes < 35 * len(many)
    assert len(Names([])) == 0
    for index in (len(many), -len(many) - 1):
        with pytest.raises(IndexError):
            names[index]
