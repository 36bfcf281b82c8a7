"""The folder of copies: shared, bounded, and whole files only."""

import os
import threading
import time

import pytest

from toolkit.errors import DataError, ImageError
from toolkit_shards import copies as module
from toolkit_shards.copies import Copies


def writing(content, made=None):
    def make(path):
        if made is not None:
            made.append(content)
        path.write_bytes(content)

    return make


def kept(folder):
    return {p.read_bytes() for p in folder.iterdir() if p.suffix not in {".lock", ".part"}}


def test_a_copy_is_made_once(tmp_path):
    copies, made = Copies(tmp_path, 1000), []
    for _ in range(3):
        with copies.open("a", writing(b"a", made)) as file:
            assert file.read() == b"a"
    with copies.open("b", writing(b"b", made)) as file:
        assert file.read() == b"b"
    assert made == [b"a", b"b"]


def test_those_not_used_for_the_longest_time_make_room(tmp_path):
    copies = Copies(tmp_path, 250)
    for name in ("a", "b", "a", "c", "d"):
        copies.open(name, writing(name.encode() * 100)).close()
        time.sleep(0.01)
    assert kept(tmp_path) == {b"c" * 100, b"d" * 100}
    copies.open("c", writing(b"")).close()
    copies.open("e", writing(b"e" * 100)).close()
    assert kept(tmp_path) == {b"c" * 100, b"e" * 100}


def test_the_newest_copy_is_kept_though_it_is_too_large(tmp_path):
    copies = Copies(tmp_path, 10)
    copies.open("a", writing(b"a" * 100)).close()
    copies.open("b", writing(b"b" * 100)).close()
    assert kept(tmp_path) == {b"b" * 100}


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be removed")
def test_a_copy_remains_readable_when_it_is_removed(tmp_path):
    copies = Copies(tmp_path, 10)
    with copies.open("a", writing(b"a" * 100)) as file:
        copies.open("b", writing(b"b" * 100)).close()
        assert file.read() == b"a" * 100


def test_a_failure_leaves_nothing(tmp_path):
    def fail(path):
        path.write_bytes(b"half")
        raise ImageError("gone")

    with pytest.raises(ImageError, match="gone"):
        Copies(tmp_path, 10).open("a", fail)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


def test_leftovers_of_killed_processes_are_removed(tmp_path):
    copies = Copies(tmp_path, 1000)
    copies.open("a", writing(b"a")).close()
    (path,) = [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    path.unlink()
    own, others, new = (tmp_path / name for name in (f".{path.name}.1.part", ".2.part", ".3.part"))
    for leftover in (own, others, new):
        leftover.write_bytes(b"half")
    os.utime(others, (0, 0))
    copies.open("a", writing(b"a")).close()
    assert [leftover.exists() for leftover in (own, others, new)] == [False, False, True]


def test_one_thread_makes_a_copy_while_others_wait(tmp_path):
    copies, made = Copies(tmp_path, 1000), []

    def slowly(path):
        made.append(path)
        time.sleep(0.1)
        path.write_bytes(b"a")

    found = []
    threads = [
        threading.Thread(target=lambda: found.append(_content(copies, slowly))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert found == [b"a"] * 4


def _content(copies, make):
    with copies.open("a", make) as file:
        return file.read()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="Copies of shards cannot be kept in") as found:
        Copies(tmp_path / "file" / "below", 10).open("a", writing(b"a"))
    assert "TOOLKIT_HOME" in found.value.hint


def test_a_copy_that_is_removed_at_once_is_made_again(tmp_path, monkeypatch):
    made, opens = [], []

    def removing(path):
        opens.append(path)
        if len(opens) == 3:  # looked for twice, then made
            path.unlink()
        return opened(path)

    monkeypatch.setattr(module, "_open", removing)
    with Copies(tmp_path, 10).open("a", writing(b"a", made)) as file:
        assert file.read() == b"a"
    assert made == [b"a", b"a"]


def test_a_folder_that_others_empty_all_the_time_is_a_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_open", lambda _: None)
    with pytest.raises(DataError, match="are removed before they can be read") as found:
        Copies(tmp_path, 10).open("a", writing(b"a"))
    assert "data.cache" in found.value.hint


opened = module._open
