"""Images on remote storage: found, restored on local copies, and uploaded whole."""

import errno
import json
from pathlib import Path

import pytest

pytest.importorskip("upath", reason="pip install universal-pathlib")

import fsspec
import torch
from fsspec.implementations.local import LocalFileSystem

from toolkit.errors import DataError, ImageError, UsageError
from toolkit.images import Picture, bicubic_resize, write_picture
from toolkit.restoring import folder
from toolkit.restoring.folder import restore_files
from toolkit.restoring.jobs import Job, matching, plan_jobs
from toolkit.restoring.storage import finder, is_remote, location


class Bicubic:
    name, scale = "toy", 4

    def __call__(self, lr):
        return bicubic_resize(lr, 4).clamp(0, 1)


def image(seed=0, height=8, width=10):
    return Picture(rgb=torch.rand(3, height, width, generator=torch.manual_seed(seed)))


@pytest.fixture
def scans(tmp_path):
    """A folder of scans, one of which is damaged, and the URL of a copy in memory."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "sub/b [1].jpg", "sub/c.png")):
        write_picture(image(seed), folder / name)
    (folder / "d.png").write_bytes((folder / "a.png").read_bytes()[:100])
    (folder / ".hidden.png").write_bytes(b"")
    (folder / "read.me").write_bytes(b"no image")
    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket/scans", recursive=True)
    yield folder, "memory://bucket/scans/"
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def contents(url):
    """All files below a folder, by their names in it."""
    system, root = fsspec.url_to_fs(str(url))
    names = system.find(root)
    return {name.removeprefix(root).lstrip("/"): system.cat_file(name) for name in names}


@pytest.mark.parametrize("kind", ["memory", "local"])
def test_the_outcome_is_that_of_local_folders(scans, tmp_path, kind):
    scanned, url = scans
    if kind == "local":  # through fsspec, though it is a disk
        url = f"local://{scanned}"
    out = f"memory://bucket/{kind}" if kind == "memory" else f"local://{tmp_path}/deep/er"
    near = restore_files(Bicubic(), plan_jobs([scanned], tmp_path / "out"))
    far = restore_files(Bicubic(), plan_jobs([location(url)], location(out)))
    assert contents(out) == contents(tmp_path / "out") != {}
    root, remote = str(scanned), str(location(url))
    for one, other in zip(near, far, strict=True):
        assert str(other.job.source) == str(one.job.source).replace(root, remote)
        assert str(other.job.destination).startswith(str(location(out)))
        assert (one.lr_size, one.sr_size, one.notes) == (other.lr_size, other.sr_size, other.notes)
        assert str(other.error) == str(one.error).replace(root, remote)
    assert [str(each.error) for each in far if each.error] == [
        f"{remote}/d.png is truncated: its end is missing"
    ]


def test_local_and_remote_mix(scans, tmp_path):
    scanned, url = scans
    restore_files(Bicubic(), plan_jobs([location(url)], tmp_path / "down"))
    restore_files(Bicubic(), plan_jobs([scanned], location("memory://bucket/up")))
    assert contents("memory://bucket/up") == contents(tmp_path / "down") != {}


def test_what_is_there_is_skipped_by_one_listing(scans, monkeypatch):
    _, url = scans
    jobs = plan_jobs([location(url)], location("memory://bucket/big"))
    restore_files(Bicubic(), jobs[:2])
    before = contents("memory://bucket/big")
    system = type(jobs[0].destination.fs)
    listed = []
    find = system.find
    monkeypatch.setattr(
        system, "find", lambda *given, **named: listed.append(given) or find(*given, **named)
    )
    results = restore_files(Bicubic(), jobs, existing="skip")
    assert len(listed) == 1
    done = {str(job.destination) for job in jobs[:2]} & {
        f"memory://bucket/big/{name}" for name in before
    }
    assert {str(each.job.destination) for each in results if each.kept} == done


def test_names_beside_the_input(scans):
    _, url = scans
    jobs = plan_jobs([location(url)], mark="_x2")
    assert str(jobs[0].destination) == "memory://bucket/scans_x2/a.png"
    [job] = plan_jobs([location("memory://bucket/scans/a.png")])
    assert str(job.destination) == "memory://bucket/scans/a_x4.png"
    with pytest.raises(UsageError, match="no place beside") as told:
        plan_jobs([location("memory://")])
    assert "--out" in told.value.hint


def test_a_second_run_does_not_take_the_results_as_inputs(scans):
    _, url = scans
    for _ in range(2):
        jobs = plan_jobs([location(url)], location(f"{url}big"))
        assert len(jobs) == 4
        restore_files(Bicubic(), jobs)


def test_patterns(scans):
    found = matching([location("memory://bucket/scans/**/*.png")])
    assert [path.name for path in found] == ["a.png", "d.png", "c.png"]
    [found] = matching([location("memory://bucket/scans/sub/b [1].jpg")])  # a file of that name
    assert found.name == "b [1].jpg"
    with pytest.raises(DataError, match="Nothing matches memory://bucket/"):
        matching([location("memory://bucket/*.gif")])
    with pytest.raises(DataError, match=r"memory://bucket/e\.png does not exist"):
        matching([location("memory://bucket/e.png")])


def test_a_failed_upload_leaves_the_old_file(scans, tmp_path, monkeypatch):
    scanned, _ = scans
    out = tmp_path / "out"
    job = Job(scanned / "a.png", location(f"local://{out}/a.png"))
    out.mkdir()
    (out / "a.png").write_bytes(b"old")

    def torn(self, near, far, **_):
        Path(far).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(LocalFileSystem, "put_file", torn)
        [result] = restore_files(Bicubic(), [job])
    assert isinstance(result.error, ImageError)
    assert str(result.error) == f"Cannot write local://{out}/a.png: No space left on device."
    assert (out / "a.png").read_bytes() == b"old"
    [result] = restore_files(Bicubic(), [job])
    assert result.error is None
    assert [each.name for each in out.iterdir()] == ["a.png"]  # took over the part


def test_a_storage_that_cannot_be_written_is_told_before_the_work(scans, monkeypatch):
    scanned, _ = scans
    job = Job(scanned / "a.png", location("memory://bucket/big/a.png"))

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Access Denied")

    monkeypatch.setattr(type(job.destination.fs), "pipe_file", refuse)
    with pytest.raises(UsageError, match="Cannot write into memory://bucket/big: Access Denied"):
        restore_files(Bicubic(), [job])
    assert contents("memory://bucket/big") == {}


def test_a_storage_that_cannot_be_reached_is_named(scans, monkeypatch):
    def refuse(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr(type(location("memory://b").fs), "info", refuse)
    with pytest.raises(DataError, match=r"Cannot reach .*/a\.png: ConnectionError: no"):
        matching([location("memory://bucket/a.png")])


def test_urls(tmp_path):
    assert location(f"file://{tmp_path}/a%20b") == tmp_path / "a b"
    assert not is_remote(location("C:/scans"))
    assert not finder([tmp_path / "a"])(tmp_path / "a")
    with pytest.raises(UsageError, match="s4://b/x cannot be opened") as told:
        location("s4://b/x")
    assert "s3://" in told.value.hint


def test_a_missing_package_is_named(monkeypatch):
    import upath

    def missing(_):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(upath, "UPath", missing)
    with pytest.raises(UsageError, match="Install s3fs") as told:
        location("s3://bucket/x")
    assert told.value.hint == "pip install universal-pathlib s3fs"


def test_a_result_that_became_png_replaces_none(scans, monkeypatch):
    monkeypatch.setattr(
        folder, "why_too_large", lambda suffix, *_: "too large" * (suffix == ".jpg")
    )
    jobs = plan_jobs([location("memory://bucket/scans/sub/b [1].jpg")])
    [result] = restore_files(Bicubic(), jobs)
    assert result.error is None
    assert str(result.job.destination) == "memory://bucket/scans/sub/b [1]_x4.png"
    assert contents("memory://bucket/scans/sub")["b [1]_x4.png"].startswith(b"\x89PNG")
    [result] = restore_files(Bicubic(), jobs)
    assert "exists already" in str(result.error)


def test_the_report_names_urls(scans, cli_json):
    _, url = scans
    document = cli_json("restore", url, "--with", "bicubic", "--out", "memory://bucket/big/")
    assert document[0]["source"] == "memory://bucket/scans/a.png"
    assert document[0]["destination"] == "memory://bucket/big/a.png"


@pytest.fixture
def cli_json(monkeypatch, capsys):
    def call(*arguments):
        from toolkit.cli import main

        monkeypatch.setattr("sys.argv", ["toolkit", *arguments, "--format", "json"])
        with pytest.raises(SystemExit):  # one is damaged
            main()
        return json.loads(capsys.readouterr().out)

    return call
