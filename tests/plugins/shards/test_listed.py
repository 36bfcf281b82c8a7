"""Photographs named in a list."""

import multiprocessing
import pickle

import fsspec
import pytest

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit_shards import listed as module


@pytest.fixture
def photos(tmp_path, made):
    """Twenty photographs in two folders, and their list."""
    for index in range(20):
        path = tmp_path / str(index % 2) / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(made.encoded(index))
    path = tmp_path / "list.txt"
    path.write_text("".join(f"{index % 2}/{index}.png\n" for index in range(20)))
    return path


def listed(path):
    return toolkit.make("dataset", f"list:{path}")


def drawn(dataset, made, count=20):
    return [made.number_of(dataset.draw(0, number)) for number in range(count)]


def test_every_line_is_drawn_once_an_epoch(photos, made):
    dataset = listed(photos)
    found = drawn(dataset, made, 40)
    assert sorted(found[:20]) == sorted(found[20:]) == list(range(20))
    assert found[:20] != found[20:]
    assert drawn(pickle.loads(pickle.dumps(dataset)), made, 40) == found


def test_it_is_also_a_dataset_in_the_order_of_its_lines(photos, made):
    dataset = listed(photos)
    assert [made.number_of(dataset[index]) for index in range(len(dataset))] == list(range(20))
    assert dataset[3].name == "1/3.png"
    assert dataset.files == {"list.txt": photos}
    with pytest.raises(IndexError):
        dataset[20]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 24])
def test_lines_may_be_blank_end_in_any_way_and_name_any_path(photos, made, monkeypatch, chunk):
    monkeypatch.setattr(module, "_CHUNK", chunk)
    (photos.parent / "Ä").write_bytes(made.encoded(99))
    lines = ["\ufeff0/4.png\r", "", "\r", "Ä", f"{photos.parent}/1/5.png", "", "0/6.png"]
    photos.write_bytes("\n".join(lines).encode())
    dataset = listed(photos)
    assert [made.number_of(dataset[i]) for i in range(len(dataset))] == [4, 99, 5, 6]


def test_lines_are_not_held_in_memory(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("".join(f"photographs/{number:09}.jpg\n" for number in range(200_000)))
    dataset = listed(path)
    assert len(dataset) == 200_000
    assert dataset._lines._starts.nbytes == 8 * 200_000
    assert dataset._lines[123_456] == "photographs/000123456.jpg"


def test_a_missing_photograph_is_an_error_of_its_own(photos, made):
    (photos.parent / "1" / "7.png").unlink()
    dataset = listed(photos)
    with pytest.raises(ImageError, match=r"1/7\.png cannot be read: there is no such file"):
        dataset[7]
    assert made.number_of(dataset[8]) == 8


def in_a_child(dataset, sender):
    sender.send([dataset.draw(0, number).name for number in range(20)])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_it_may_be_used_after_a_fork(photos):
    dataset = listed(photos)
    expected = [dataset.draw(0, number).name for number in range(20)]
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with dataset._lines._lock:
        child = multiprocessing.get_context("fork").Process(
            target=in_a_child, args=(dataset, sender)
        )
        child.start()
    assert receiver.poll(30)
    assert receiver.recv() == expected
    child.join(30)


@pytest.mark.parametrize("form", ["memory://bucket/photos/", "memory://bucket/list.txt"])
def test_a_remote_folder_or_list_will_do(made, form, toolkit_home):
    system = fsspec.filesystem("memory")
    try:
        for index in range(5):
            system.pipe(f"/bucket/photos/{index}.png", made.encoded(index))
        system.pipe("/bucket/photos/readme.txt", b"no photograph")
        system.pipe("/bucket/list.txt", b"".join(b"photos/%d.png\n" % i for i in range(5)))
        dataset = listed(form)
        assert sorted(drawn(dataset, made, 5)) == list(range(5))
        assert all(path.is_relative_to(toolkit_home) for path in dataset.files.values())
    finally:
        system.rm("/bucket", recursive=True)


@pytest.mark.parametrize("content", [None, b"", b"\n\r\n\n"])
def test_a_missing_or_empty_list_is_a_clear_error(tmp_path, content):
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"There is no (list|image in) .*list\.txt"):
        listed(path)
