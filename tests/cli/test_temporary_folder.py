"""Where nothing can be written for a while, every command says so, and what to set."""

import os
import shutil
import subprocess
import sys
import tempfile

import pytest

from toolkit import weights
from toolkit.component import Component
from toolkit.errors import WeightsError, without_temporary_folder
from toolkit.makers import Maker, at_work
from toolkit.registry import Registry
from toolkit.weights import PackageMember, WeightFile

# As TMPDIR, the folders that Python tries next, and the current one may all be unwritable.
NOWHERE = """
import tempfile
tempfile._candidate_tempdir_list = lambda: ["/none/tmp", "/none/var"]
"""
TABLE = """
title = "Mine"
place = "Here"
measures = "quality"
protocol = "As ever."
dataset = "realsr"
better = { psnr-y = "higher" }
[scales.pocket]
dataset = "folder:photos"
[[rows]]
label = "bicubic"
recipe = { restorer = "bicubic" }
"""


@pytest.fixture
def nowhere(monkeypatch):
    """No temporary folder, in this process."""
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/none/tmp", "/none/var"])


@pytest.mark.parametrize(
    "command",
    [
        "restore photo.png --with bicubic",
        "restore photo.png",
        "degrade photo.png",
        "data check photos",
        "eval --sr photos --hr photos --metric psnr-y",
        "train --disc none --loss mse --steps 1 --data photos",
        "export run",
        "bench --table mine.toml --work work",
    ],
)
def test_the_folders_are_named_and_what_to_set(command, tmp_path, photo_folder, trained):
    shutil.copytree(photo_folder, tmp_path / "photos")
    shutil.copyfile(min(photo_folder.iterdir()), tmp_path / "photo.png")
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "mine.toml").write_text(TABLE)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "sitecustomize.py").write_text(NOWHERE)
    given = {"PYTHONPATH": str(tmp_path / "path"), "TOOLKIT_HOME": str(tmp_path / "home"),
             "COLUMNS": "400", "TERMINAL_WIDTH": "400"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "toolkit", *command.split()],
        cwd=tmp_path, env={**os.environ, **given}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done
    assert "Temporary files cannot be written" in done.stderr
    assert "/none/tmp, /none/var" in done.stderr
    assert "TMPDIR=/a/folder" in done.stderr
    assert "Traceback" not in done.stderr
    assert "fault" not in done.stderr


def test_weights_say_the_same(nowhere, toolkit_home, mistake, monkeypatch):
    package = PackageMember(package="package==1.0", sha256="0" * 64, member="net.bin")
    file = WeightFile(name="net.bin", sha256="1" * 64, size=9, licence="MIT", sources=(package,))
    registry = Registry()
    registry.add("plugin", [
        Component(kind="loss", name="near", summary="", build=dict, weights=(file,))
    ])  # fmt: skip
    monkeypatch.setattr("toolkit.discovery.installed", lambda: registry)
    told = mistake("weights", "fetch", code=1)
    assert "/none/tmp, /none/var" in told
    assert "TMPDIR=/a/folder" in told


def test_without_a_home_either_the_cache_is_asked_for(nowhere, monkeypatch):
    monkeypatch.delenv("TOOLKIT_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null/cache")
    with pytest.raises(WeightsError, match=r"/dev/null/cache.* cannot be used.*/none/tmp") as told:
        weights.home()
    assert "TOOLKIT_HOME=/a/folder" in told.value.hint


def test_no_component_is_at_fault(nowhere):
    with (
        pytest.raises(Exception, match="Temporary files") as told,
        at_work(Maker("loss", "a", "b")),
    ):
        tempfile.mkdtemp()
    assert "fault" not in told.value.hint
    assert without_temporary_folder(FileNotFoundError(2, "No such file", "x")) is None
