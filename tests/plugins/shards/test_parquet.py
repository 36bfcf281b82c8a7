"""Hugging Face's datasets: images in parquet files."""

import os
import tarfile

import fsspec
import pytest

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit_shards import parquet as module

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def write(path, images, **more):
    pq.write_table(pa.table({**more, "image": images}), path, row_group_size=4)


@pytest.fixture
def files(tmp_path, made):
    """Three files of ten photographs each."""
    for index in range(3):
        images = [
            {"bytes": made.encoded(number), "path": f"{number}.png"}
            for number in range(10 * index, 10 * index + 10)
        ]
        write(tmp_path / f"train-{index}.parquet", images, label=list(range(10)))
    return tmp_path


def dataset_of(urls, **options):
    return toolkit.make("dataset", {"use": "parquet", "urls": str(urls), **options})


def drawn(dataset, made, count):
    return [made.number_of(dataset.draw(0, number)) for number in range(count)]


def test_all_rows_are_drawn(files, made):
    dataset = dataset_of(files, group=3, visit=10)
    found = drawn(dataset, made, 30)
    assert sorted(found) == list(range(30))
    assert len(dataset) == 30
    assert made.number_of(dataset[17]) == 17
    assert dataset[17].name == "train-1.parquet/row 8"


def test_a_remote_file_is_read_in_place(files, made, toolkit_home):
    system = fsspec.filesystem("memory")
    try:
        system.put(str(files / "train-1.parquet"), "/bucket/a.parquet")
        dataset = dataset_of("memory://bucket/*.parquet", group=1, visit=10)
        assert sorted(drawn(dataset, made, 10)) == list(range(10, 20))
    finally:
        system.rm("/bucket", recursive=True)


def test_a_local_file_that_changed_is_read_anew(files, made):
    path = files / "train-0.parquet"
    drawn(dataset_of(path), made, 3)
    write(path, [{"bytes": made.encoded(200)}])
    os.utime(path, (1, 1))
    assert drawn(dataset_of(path), made, 3) == [200] * 3


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_column_may_hold_the_files_themselves(tmp_path, made, kind):
    path = tmp_path / "a.parquet"
    columns = {"mask": pa.array([b"no image"] * 3, kind), "text": ["a"] * 3}
    write(path, pa.array([made.encoded(number) for number in range(3)], kind), **columns)
    assert sorted(drawn(dataset_of(path), made, 3)) == [0, 1, 2]
    with pytest.raises(ImageError, match=r"a\.parquet: row \d is damaged or not an image"):
        dataset_of(path, column="mask").draw(0, 0)


def test_rows_without_an_image_are_missed_when_they_are_drawn(tmp_path, made):
    path = tmp_path / "a.parquet"
    write(path, [{"bytes": made.encoded(5), "path": None}, None, {"bytes": None, "path": "b.png"}])
    dataset = dataset_of(path)
    assert made.number_of(dataset[0]) == 5
    for row in (2, 3):
        with pytest.raises(ImageError, match=rf"a\.parquet: row {row} is empty"):
            dataset[row - 1]


@pytest.mark.parametrize("column", ["", "nowhere"])
def test_a_file_without_images_is_a_clear_error(tmp_path, column):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a"], "label": [1]}), path)
    with pytest.raises(DataError, match=r"does not have .*; its columns: text, label") as found:
        dataset_of(path, column=column).draw(0, 0)
    assert "data.column=" in found.value.hint


def test_a_damaged_file_is_told(files):
    path = files / "train-0.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageError, match=r"train-0\.parquet is damaged, or no parquet file"):
        dataset_of(path).draw(0, 0)


def test_few_rows_are_in_memory_at_a_time(files, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_ROWS", 3)
    module.rewrite(str(files / "train-0.parquet"), "", tmp_path / "a.tar")
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == [f"row {row}" for row in range(1, 11)]


def test_without_pyarrow_its_installation_is_told(files, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DataError, match="pyarrow, which is not installed") as found:
        dataset_of(files).draw(0, 0)
    assert "[parquet]" in found.value.hint
