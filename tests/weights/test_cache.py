"""The cache: whole files only, and one clear error where it cannot be used."""

import errno
import logging
import os
import pwd
import sys
import tempfile
import threading
from pathlib import Path

import platformdirs
import pytest

from toolkit import weights
from toolkit.errors import WeightsError
from toolkit.weights import cache


@pytest.mark.parametrize(
    ("named", "folder"),
    [
        ({"TOOLKIT_HOME": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "{}/b"}, "{}/b/restoration-toolkit"),
        ({"TOOLKIT_HOME": "/a", "XDG_CACHE_HOME": "{}/b"}, "/a"),
        ({"HOME": "{}/c"}, "{}/c/.cache/restoration-toolkit"),
        ({"HOME": "/c", "TOOLKIT_HOME": "~/d"}, "/c/d"),
    ],
)
def test_the_cache_lies_where_the_user_says(monkeypatch, tmp_path, named, folder):
    for name in ("TOOLKIT_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert weights.home() == Path(folder.format(tmp_path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_elsewhere_the_cache_lies_where_the_system_has_caches(monkeypatch, tmp_path, system):
    monkeypatch.delenv("TOOLKIT_HOME", raising=False)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(
        platformdirs, "user_cache_path", lambda name, appauthor: tmp_path / "Caches" / name
    )
    assert weights.home() == tmp_path / "Caches" / "restoration-toolkit"


@pytest.fixture
def homeless(tmp_path, monkeypatch):
    """No account and no HOME, as in a container that runs under a bare number."""
    for name in ("TOOLKIT_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(_number):
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.chdir(tmp_path)
    cache._private_folder.cache_clear()
    yield tmp_path / "tmp" / f"restoration-toolkit-{os.getuid()}"
    cache._private_folder.cache_clear()


def test_without_an_account_a_private_folder_is_taken(homeless, caplog, weight_file, data):
    assert weights.home() == weights.home() == homeless
    assert homeless.stat().st_mode & 0o777 == 0o700
    (told,) = caplog.messages
    assert f"cached in {homeless}" in told
    assert "TOOLKIT_HOME=/a/folder" in told
    file = weight_file()
    cache.keep(file, [data], "here")
    assert weights.check(file) is weights.State.cached
    assert [each.name for each in Path().iterdir()] == ["tmp"]  # and none named ~


def test_a_home_that_is_read_only_is_used_as_far_as_it_goes(homeless, monkeypatch):
    home = Path("home").absolute()
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(os, "access", lambda path, _mode: not Path(path).is_relative_to(home))
    assert weights.home() == homeless
    baked = home / ".cache" / "restoration-toolkit"
    baked.mkdir(parents=True)  # with what it holds, as in an image that was made so
    assert weights.home() == baked


@pytest.mark.parametrize("place", ["file", "link", "open"])
def test_a_temporary_folder_of_somebody_else_is_not_trusted(homeless, place):
    if place == "file":
        homeless.write_text("")
    elif place == "link":
        homeless.symlink_to(homeless.parent)
    else:
        homeless.mkdir()
        homeless.chmod(0o777)
    with pytest.raises(WeightsError, match=r"not a private folder|can be used") as told:
        weights.home()
    assert "TOOLKIT_HOME=/a/folder" in told.value.hint


def test_a_damaged_file_is_told_and_fetched_again(mirrored, web, caplog, data):
    web.files["net.bin"] = data
    file = mirrored("net.bin")
    path = weights.fetch(file)
    path.write_bytes(data[:-1] + b"!")
    assert weights.check(file) is weights.State.damaged
    with caplog.at_level(logging.WARNING):
        assert weights.fetch(file).read_bytes() == data
    assert "net.bin: its copy in the cache was damaged" in caplog.text
    assert [each.name for each in path.parent.iterdir()] == ["net.bin"]


def test_a_damaged_file_that_cannot_be_fetched_is_told_as_both(mirrored, web, data):
    web.files["net.bin"] = data
    file = mirrored("net.bin")
    path = weights.fetch(file)
    path.write_bytes(data[:5])
    web.files.clear()
    with pytest.raises(WeightsError, match="answers 404") as told:
        weights.fetch(file)
    assert f"its copy in the cache was damaged, and is now {path}.damaged" in str(told.value)
    assert [each.name for each in path.parent.iterdir()] == ["net.bin.damaged"]


def test_verify_gives_the_path_of_the_expected_file_alone(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert weights.verify(path, cache.digest(path)) == path
    with pytest.raises(WeightsError, match="is not the expected file"):
        weights.verify(path, "0" * 64)


def usable(error, folder):
    assert str(folder) in str(error.value)
    assert "TOOLKIT_HOME" in error.value.hint


def test_a_cache_that_is_no_folder_is_told(mirrored, web, toolkit_home, data):
    web.files["net.bin"] = data
    toolkit_home.write_bytes(b"")
    with pytest.raises(WeightsError, match="cannot be used") as told:
        weights.fetch(mirrored("net.bin"))
    usable(told, toolkit_home / "weights")
    assert web.requests == []


@pytest.mark.parametrize("function", ["fsync", "replace", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_full_or_read_only_disk_is_told(
    mirrored, web, toolkit_home, monkeypatch, data, function, number
):
    web.files["net.bin"] = data

    def fail(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, function, fail)
    with pytest.raises(WeightsError, match=os.strerror(number)) as told:
        weights.fetch(mirrored("net.bin"))
    usable(told, toolkit_home)
    assert not (toolkit_home / "weights" / "net.bin").exists()


def test_too_little_space_is_told_before_anything_is_fetched(mirrored, web, toolkit_home, data):
    web.files["net.bin"] = data
    with pytest.raises(WeightsError, match="No space left") as told:
        weights.fetch(mirrored("net.bin", size=10**18))
    usable(told, toolkit_home)
    assert web.requests == []


def test_what_a_killed_process_left_is_removed(mirrored, web, toolkit_home, data):
    web.files["net.bin"] = data
    (toolkit_home / "weights").mkdir(parents=True)
    (toolkit_home / "weights" / ".net.bin.k1ll3d.part").write_bytes(data[:7])
    path = weights.fetch(mirrored("net.bin"))
    assert [each.name for each in path.parent.iterdir()] == ["net.bin"]


def test_several_at_once_fetch_a_file_once(mirrored, web, data):
    web.files["net.bin"] = data
    file = mirrored("net.bin")
    threads = [threading.Thread(target=weights.fetch, args=(file,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert weights.check(file) is weights.State.cached
    assert len(web.requests) == 1
