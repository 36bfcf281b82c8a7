"""Drawing from shards on a disk."""

import multiprocessing
import pickle
import threading

import pytest
from PIL import Image

import toolkit
from toolkit.errors import DataError, ImageError
from toolkit_shards import dataset as module
from toolkit_shards.images import photograph


def shards(urls, **options):
    return toolkit.make("dataset", {"use": "shards", "urls": str(urls), **options})


def drawn(dataset, made, numbers, seed=0):
    return [made.number_of(dataset.draw(seed, number)) for number in numbers]


def test_all_photographs_are_drawn_and_mixed(folder, made):
    found = drawn(shards(folder, group=5, visit=10), made, range(50))
    assert sorted(found) == list(range(50))
    assert len({number // 10 for number in found[:5]}) == 5


def test_another_object_draws_the_same(folder, made):
    whole = drawn(shards(folder, visit=3), made, range(60), seed=5)
    other = shards(folder, visit=3)
    assert drawn(other, made, range(59, 30, -1), seed=5) == whole[:30:-1]
    assert drawn(pickle.loads(pickle.dumps(other)), made, range(60), seed=5) == whole
    assert drawn(other, made, range(60), seed=6) != whole


def test_few_shards_are_open_at_a_time(folder):
    dataset = shards(folder, group=1, visit=2)
    for number in range(40):
        dataset.draw(0, number)
    assert len(dataset._opened.shards) == 2


def in_a_child(dataset, sender):
    sender.send([dataset.draw(0, number).name for number in range(30)])


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
def test_after_a_fork_both_processes_draw(folder):
    dataset = shards(folder)
    expected = [dataset.draw(0, number).name for number in range(30)]
    receiver, sender = multiprocessing.Pipe(duplex=False)
    children = multiprocessing.get_context("fork")
    with dataset._opened.lock:  # held by another thread meanwhile
        child = children.Process(target=in_a_child, args=(dataset, sender))
        child.start()
    again = [dataset.draw(0, number).name for number in range(30)]
    assert receiver.poll(30)
    assert receiver.recv() == again == expected
    child.join(30)
    assert child.exitcode == 0


def test_threads_draw_together(folder, made):
    dataset = shards(folder, group=2, visit=3)
    expected, found = drawn(dataset, made, range(100)), {}
    threads = [
        threading.Thread(
            target=lambda start=start: found.update(
                {n: made.number_of(dataset.draw(0, n)) for n in range(start, 100, 4)}
            )
        )
        for start in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[number] for number in range(100)] == expected


def test_it_is_also_a_dataset_of_all_photographs(folder, made):
    dataset = shards(folder)
    assert len(dataset) == 50
    assert [made.number_of(dataset[index]) for index in range(50)] == list(range(50))
    assert dataset[13].name == "data-1.tar/0013.png"
    assert dataset.name == str(folder)
    for index in (50, -1):
        with pytest.raises(IndexError):
            dataset[index]


def test_photographs_are_told_apart_though_shards_are_named_alike(tmp_path, made):
    for name in ("aa", "ab"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.tar").write_bytes(made.shard_of([1]))
    dataset = shards(tmp_path / "a{a,b}" / "0.tar")
    assert {dataset.draw(0, number).name for number in range(20)} == {
        "aa/0.tar/0001.png",
        "ab/0.tar/0001.png",
    }
    assert {dataset[0].name, dataset[1].name} == {"aa/0.tar/0001.png", "ab/0.tar/0001.png"}


def test_a_run_knows_the_files(folder):
    assert shards(folder).files == {f"data-{i}.tar": folder / f"data-{i}.tar" for i in range(5)}


def test_a_vanished_shard_is_told_with_every_sample_of_it(folder, made, monkeypatch):
    dataset = shards(folder, group=5, visit=10)
    gone = folder / "data-2.tar"
    gone.unlink()
    opened = []
    monkeypatch.setattr(module.tar, "TarShard", lambda *a: opened.append(a) or TarShard(*a))
    found, errors = [], []
    for number in range(50):
        try:
            found.append(made.number_of(dataset.draw(0, number)))
        except ImageError as error:
            errors.append(str(error))
    assert sorted(found) == [n for n in range(50) if n // 10 != 2]
    assert errors == [f"{gone} cannot be read: there is no such file"] * 10
    assert dataset.skipped == ((str(gone), "cannot be read: there is no such file"),)


TarShard = module.tar.TarShard


def test_another_attempt_goes_to_another_shard(folder, made):
    (folder / "data-2.tar").unlink()
    dataset = shards(folder, group=5, visit=10)
    for number in range(50):
        try:
            dataset.draw(0, number)
        except ImageError:
            assert made.number_of(dataset.draw(0, number, 1)) // 10 != 2


def test_a_shard_that_failed_is_tried_again_later(folder, made, monkeypatch):
    content = (folder / "data-0.tar").read_bytes()
    (folder / "data-0.tar").write_bytes(b"no tar")
    dataset = shards(folder / "data-0.tar")
    for _ in range(2):
        with pytest.raises(ImageError, match=r"data-0\.tar is no tar file"):
            dataset.draw(0, 0)
        (folder / "data-0.tar").write_bytes(content)
    soon = module.time.monotonic() + module._AGAIN
    monkeypatch.setattr(module.time, "monotonic", lambda: soon + 1)
    assert 0 <= made.number_of(dataset.draw(0, 0)) < 10


def test_a_damaged_shard_is_used_and_named(folder, made, caplog):
    path = folder / "data-1.tar"
    path.write_bytes(path.read_bytes()[:9000])
    dataset = shards(folder)
    assert 40 < len(dataset) < 50
    ((name, reason),) = dataset.skipped
    assert name == str(path)
    assert reason.startswith("it is truncated within 001")
    assert "it is truncated" in caplog.text


def test_an_empty_shard_is_told_and_read_once(folder, made):
    (folder / "data-0.tar").write_bytes(made.tarred({"a.txt": b""}))
    dataset = shards(folder / "data-0.tar")
    for _ in range(2):
        with pytest.raises(ImageError, match=r"data-0\.tar contains no images"):
            dataset.draw(0, 0)
        (folder / "data-0.tar").unlink(missing_ok=True)


def test_a_broken_photograph_is_named_with_its_shard(made, tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(made.tarred({"x/1.jpg": made.encoded(1, 64, "JPEG")[:-300]}))
    with pytest.raises(ImageError, match=r"a\.tar: x/1\.jpg is truncated"):
        shards(path).draw(0, 0)


def test_a_picture_that_would_fill_the_memory_is_refused(made, monkeypatch):
    data = made.encoded(1, 64)
    assert photograph("a.tar", "1.png", data).shape == (3, 64, 64)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"^a\.tar: 1\.png is too large: .*4096 pixels"):
        photograph("a.tar", "1.png", data)


@pytest.mark.parametrize("urls", ["nowhere", "no-{0..3}.tar", "*.tar", "list.txt", "a.tar"])
def test_nothing_there_is_a_clear_error(tmp_path, urls):
    with pytest.raises(DataError, match=r"(There is no \.tar file at|cannot be read)") as found:
        shards(tmp_path / urls)
    assert str(tmp_path) in str(found.value)
    assert found.value.hint
