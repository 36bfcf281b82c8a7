"""Files that the user brings, in whatever wrapping; size and SHA-256 decide."""

import shutil

import pytest

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.files import write_atomically


@pytest.fixture
def brought(tmp_path, toolkit_home):
    """A folder of the user's, with much that is not wanted."""
    folder = tmp_path / "brought"
    (folder / "deep").mkdir(parents=True)
    (folder / "notes.txt").write_text("hello")
    (folder / "broken.zip").write_bytes(b"PK\x05\x06")
    return folder


def test_a_bare_file_of_any_name_is_taken(brought, weight_file, data):
    (brought / "download(1)").write_bytes(data)
    file = weight_file()
    assert weights.supply(brought / "download(1)", [file]) == [file]
    assert weights.path_of(file).read_bytes() == data
    assert (brought / "download(1)").exists()


@pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl", "odd.zip"])
@pytest.mark.parametrize("whole_folder", [False, True])
def test_an_archive_is_taken(brought, archive, weight_file, data, name, whole_folder):
    path = shutil.move(archive(name), brought / "deep" / name)
    file = weight_file()
    assert weights.supply(brought if whole_folder else path, [file]) == [file]
    assert weights.path_of(file).read_bytes() == data


def test_a_folder_is_searched_for_all_files(brought, weight_file):
    contents = {name: name.encode() * 99 for name in "abc"}
    for name, data in contents.items():
        (brought / "deep" / f"{name}.x").write_bytes(data)
    files = [weight_file(content=data, name=name) for name, data in contents.items()]
    lacking = weight_file(content=b"?" * 99, name="d")
    assert sorted(f.name for f in weights.supply(brought, [lacking, *files])) == ["a", "b", "c"]
    assert weights.check(lacking) is weights.State.missing


def test_other_content_of_the_same_size_is_not_taken(brought, weight_file, data, toolkit_home):
    (brought / "net.bin").write_bytes(data[:-1] + b"!")
    assert weights.supply(brought, [weight_file()]) == []
    assert list((toolkit_home / "weights").iterdir()) == []


def test_it_replaces_a_damaged_copy(brought, weight_file, data):
    file = weight_file()
    write_atomically(weights.path_of(file), data[:3])
    (brought / "net.bin").write_bytes(data)
    weights.supply(brought, [file])
    assert weights.check(file) is weights.State.cached


def test_a_place_that_is_not_there_is_told(tmp_path, weight_file):
    with pytest.raises(WeightsError, match=r"There is no .*nowhere"):
        weights.supply(tmp_path / "nowhere", [weight_file()])


def test_a_cache_that_cannot_be_written_is_told(brought, weight_file, toolkit_home, data):
    (brought / "net.bin").write_bytes(data)
    toolkit_home.write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be used"):
        weights.supply(brought, [weight_file()])
