"""What a run knows of its training files."""

import pytest

from toolkit.training import resuming
from toolkit.training.resuming import changed_material, material_of, read_material, save_material


class Files:
    def __init__(self, folder):
        self.files = {path.name: path for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path):
    for number in range(6):
        (tmp_path / f"{number}.jpg").write_bytes(bytes([number]) * 10)
    return tmp_path


@pytest.fixture
def many(monkeypatch):
    monkeypatch.setattr(resuming, "_LISTED", 5)


def test_each_of_a_few_files_is_recorded(folder, tmp_path_factory):
    before = material_of(Files(folder))
    assert before.keys() == {f"{number}.jpg" for number in range(6)}
    kept = tmp_path_factory.mktemp("run")
    save_material(before, kept)
    assert read_material(kept) == before
    (folder / "0.jpg").write_bytes(b"x" * 10)
    (folder / "1.jpg").unlink()
    told = changed_material(before, material_of(Files(folder)))
    assert told == "2 of the files to train on: 0.jpg (another), 1.jpg (gone)"


@pytest.mark.usefixtures("many")
def test_many_files_are_recorded_as_one_digest_of_names_and_sizes(folder, tmp_path_factory):
    before = material_of(Files(folder))
    assert list(before) == ["names and sizes of 6 files"]
    assert next(iter(before.values()))[0] == 60
    kept = tmp_path_factory.mktemp("run")
    save_material(before, kept)
    assert changed_material(read_material(kept), material_of(Files(folder))) == ""


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("change", ["size", "name", "gone"])
def test_a_change_in_many_files_is_noticed(folder, change):
    before = material_of(Files(folder))
    if change == "size":
        (folder / "3.jpg").write_bytes(b"")
    elif change == "name":
        (folder / "3.jpg").rename(folder / "7.jpg")
    source = Files(folder)
    if change == "gone":
        (folder / "3.jpg").unlink()  # between listing and looking
    assert "names and sizes" in changed_material(before, material_of(source))


def test_a_dataset_without_files_has_none():
    assert material_of(object()) == {}
