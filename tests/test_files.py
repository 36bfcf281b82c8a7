"""Files and folders that are whole or not there, and places that cannot be written."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from toolkit.errors import UsageError
from toolkit.files import (
    appearing_folder,
    append_line,
    check_can_be_made,
    check_writable,
    link_atomically,
    locked,
    remove_leftovers,
    write_atomically,
    writing_atomically,
)


@pytest.fixture
def umask():
    """Others of the group may write, and nobody else may read."""
    before = os.umask(0o007)
    yield
    os.umask(before)


def test_files_are_written_whole_with_ordinary_permissions(tmp_path):
    path = tmp_path / "new" / "file"
    write_atomically(path, b"first")
    write_atomically(path, b"second")
    assert path.read_bytes() == b"second"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_what_was_there(tmp_path, monkeypatch, error):
    path = tmp_path / "file"
    path.write_bytes(b"before")

    def fail(_descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_permissions_are_as_the_umask_has_them(tmp_path, umask):
    write_atomically(tmp_path / "file", b"")
    with appearing_folder(tmp_path / "folder") as folder:
        (folder / "below").mkdir(mode=0o700)
        (folder / "below" / "file").touch(mode=0o600)
    found = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
    }
    folders = dict.fromkeys(["folder", "folder/below"], 0o770)
    assert found == {"file": 0o660, "folder/below/file": 0o660, **folders}


@pytest.mark.parametrize(("sync", "appeared"), [(True, [False, True]), (False, [])])
def test_a_file_is_on_the_disk_before_it_appears_if_it_must_be(
    tmp_path, monkeypatch, sync, appeared
):  # and its name afterwards
    path, synced = tmp_path / "file", []
    monkeypatch.setattr(os, "fsync", lambda _descriptor: synced.append(path.exists()))
    with writing_atomically(path, sync=sync) as stream:
        stream.write(b"data")
    assert synced == (appeared if os.name != "nt" else appeared[:1])
    assert path.read_bytes() == b"data"


def test_the_longest_name_can_be_written(tmp_path):
    for name in ("n" * 255, "⛰" * 63):
        write_atomically(tmp_path / name, b"")
    assert len(list(tmp_path.iterdir())) == 2


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    killed = f"""
import os
from pathlib import Path
from toolkit.files import writing_atomically
with writing_atomically(Path({str(tmp_path / "file[1]")!r})) as stream:
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    kept = {"file[1]", "file1", ".file1.x"}
    for name in kept:
        (tmp_path / name).touch()
    remove_leftovers(tmp_path / "file[1]")
    assert {each.name for each in tmp_path.iterdir()} == kept


def test_a_folder_appears_whole(tmp_path):
    place = tmp_path / "new" / "folder"
    with appearing_folder(place) as folder:
        (folder / "file").touch()
        assert not place.exists()
    assert [path.name for path in place.iterdir()] == ["file"]
    assert list(place.parent.iterdir()) == [place]


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def fail():
        with appearing_folder(tmp_path / "folder") as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_taken_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    for place, reason in (
        (tmp_path, "current folder would be replaced"),
        (Path("file"), "file is a file"),
        (Path("file/below"), "Cannot write to file/below: Not a directory"),
        (tmp_path.parent, "already contains files"),
    ):
        with pytest.raises(UsageError, match=reason) as told, appearing_folder(place):
            pass
        assert "--out DIR" in told.value.hint


def test_a_folder_that_cannot_be_written_is_named_with_the_reason(tmp_path, monkeypatch):
    check_writable(tmp_path / "new" / "deep")
    assert list((tmp_path / "new" / "deep").iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=f"Cannot write to {tmp_path}/file/a: Not a dir") as told:
        check_writable(tmp_path / "file" / "a")
    assert told.value.hint == "Name another folder: --out DIR"

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "touch", full)
    with pytest.raises(UsageError, match=f"Cannot write to {tmp_path}: No space left"):
        check_writable(tmp_path)


def test_asking_whether_a_folder_can_be_made_makes_none(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    check_can_be_made(tmp_path / "new" / "deep")
    with pytest.raises(UsageError, match=f"{tmp_path}/file/a: {tmp_path}/file is a file"):
        check_can_be_made(tmp_path / "file" / "a")
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    with pytest.raises(UsageError, match=f"{tmp_path}/a: {tmp_path} is not writable"):
        check_can_be_made(tmp_path / "a")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_lock_lets_one_in_at_a_time(tmp_path):
    path = tmp_path / "new" / ".lock"
    inside, waits, entered = threading.Event(), threading.Event(), []

    def second():
        with locked(path, waits.set):
            entered.append(inside.is_set())

    thread = threading.Thread(target=second)
    with locked(path):
        thread.start()
        assert waits.wait(60)
        assert entered == []
        inside.set()
    thread.join()
    assert entered == [True]


def test_a_lock_of_a_killed_process_is_free(tmp_path):
    killed = f"""
import os
from pathlib import Path
from toolkit.files import locked
with locked(Path({str(tmp_path / ".lock")!r})):
    os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == 9
    with locked(tmp_path / ".lock", lambda: pytest.fail("it is held")):
        pass


@pytest.mark.parametrize(("number", "fails"), [(errno.ENOLCK, False), (errno.EROFS, True)])
def test_a_folder_without_locks_is_used_without(tmp_path, monkeypatch, number, fails):
    from filelock import FileLock

    def refuse(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    entered = []
    try:
        with locked(tmp_path / ".lock"):
            entered.append(True)
    except OSError:
        assert fails
    assert bool(entered) is not fails


def test_a_line_is_appended_after_a_torn_one(tmp_path):
    path = tmp_path / "logs" / "log.jsonl"
    append_line(path, "one")
    append_line(path, "two ⛰")
    assert path.read_text(encoding="utf-8") == "one\ntwo ⛰\n"
    path.write_bytes(path.read_bytes() + b"thr")
    append_line(path, "four")
    assert path.read_text(encoding="utf-8") == "one\ntwo ⛰\nthr\nfour\n"


@pytest.mark.parametrize("links", [True, False])
def test_a_second_name_replaces_another_file_and_leaves_nothing_else(tmp_path, monkeypatch, links):
    source, path = tmp_path / "new", tmp_path / "best"
    source.write_bytes(b"new")
    path.write_bytes(b"old")
    if not links:

        def refuse(*_given):
            raise OSError(errno.EPERM, "not here")

        monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):  # the second time it has the name already
        link_atomically(source, path)
        assert path.read_bytes() == b"new"
        assert {each.name for each in tmp_path.iterdir()} == {"new", "best"}
    assert path.samefile(source) == links
    source.unlink()
    assert path.read_bytes() == b"new"
