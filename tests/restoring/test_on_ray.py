"""Restoring on Ray: the outcome is that of one process, whatever befalls the workers."""

import os
import sys

import pytest

pytest.importorskip("ray", reason="pip install 'restoration-toolkit[ray]'")

import ray
import torch

import toolkit
from toolkit.cli import main
from toolkit.discovery import installed
from toolkit.errors import ToolkitError, UsageError
from toolkit.images import Picture, write_picture
from toolkit.restoring import ray_cluster
from toolkit.restoring.folder import Files, restore_files
from toolkit.restoring.jobs import Job, plan_jobs
from toolkit.restoring.on_ray import TRIES, Opening, _Tries, restore_on_ray
from toolkit.restoring.storage import location
from toolkit.restoring.treatment import Treatment

# Ray's own code uses what Ray has deprecated; what our code uses is an error.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray[.]data[.]context")

DEADLY = """
import os
import signal
from pathlib import Path

import toolkit
from toolkit.plugin import Component, Options, hookimpl


class Deadly:
    '''Bicubic, but black images kill the process, and white ones do it the first time.'''

    name, scale = "deadly", 4

    def __init__(self, folder):
        self.folder, self.bicubic = Path(folder), toolkit.make("restorer", "bicubic")

    def to(self, device):
        pass

    def __call__(self, lr):
        once = self.folder / "once"
        if lr.max() == 0 or (lr.min() == 1 and not once.exists()):
            (self.folder / ".white_x4.png.0123456789abcdef.part").touch()
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.bicubic(lr)


class DeadlyOptions(Options):
    folder: str


@hookimpl
def toolkit_components():
    yield Component(
        kind="restorer", name="deadly", summary="Deadly.", options=DeadlyOptions,
        build=lambda options, context: Deadly(options.folder),
    )
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Ray with two cores, whose workers have the restorer `deadly`."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "deadly_plugin.py").write_text(DEADLY)
    info = folder / "deadly_plugin-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly-plugin\nVersion: 1")
    (info / "entry_points.txt").write_text("[toolkit]\ndeadly = deadly_plugin\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.syspath_prepend(str(folder))
        installed.cache_clear()
        ray_cluster.check_ray()
        with ray_cluster.connected("", cores=2):
            yield
    sys.modules.pop("deadly_plugin", None)
    installed.cache_clear()


@pytest.fixture
def scans(tmp_path):
    """Four images and a damaged one."""
    folder = tmp_path / "scans"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.jpg", "sub/c.tif", "sub/d.png")):
        rgb = torch.rand(3, 12, 10, generator=torch.manual_seed(seed))
        write_picture(Picture(rgb=rgb), folder / name)
    (folder / "torn.png").write_bytes((folder / "a.png").read_bytes()[:100])
    return folder


def written(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def opening(name="bicubic", **options):
    return Opening(name, options, Treatment(), Files())


def test_the_outcome_is_that_of_one_process_though_workers_are_killed(cluster, scans, tmp_path):
    near = restore_files(toolkit.make("restorer", "bicubic"), plan_jobs([scans], tmp_path / "near"))
    out = tmp_path / "far"
    out.mkdir()
    for name, level in (("black.png", 0.0), ("white.png", 1.0)):
        write_picture(Picture(rgb=torch.full((3, 12, 10), level)), scans / name)
    jobs = plan_jobs([scans], out)
    extra = Job(scans / "white.png", out / "white_x4.png")
    jobs = [extra if job.source == extra.source else job for job in jobs]
    events = []
    far = restore_on_ray(
        opening("deadly", folder=str(out)), jobs, workers=2, on_event=events.append
    )
    assert [result.job.source for result in far] == [job.source for job in jobs]
    black, white = far[2], far[-1]
    assert str(black.error) == f"Its worker was killed, {TRIES} times; perhaps memory ran out"
    assert white.error is None
    assert white.sr_size == (40, 48)
    (out / "once").unlink()
    (out / "white_x4.png").unlink()
    assert written(out) == written(tmp_path / "near") != {}  # no leftover of the killed
    rest = [result for result in far if result not in (black, white)]
    for one, other in zip(near, rest, strict=True):
        assert one.job.source == other.job.source
        assert (one.lr_size, one.sr_size, one.notes) == (other.lr_size, other.sr_size, other.notes)
        assert str(one.error) == str(other.error)
        assert getattr(one.error, "hint", "") == getattr(other.error, "hint", "")
    assert sorted(event.index for event in events if event.result) == list(range(len(jobs)))


def test_a_second_run_does_what_is_left_on_remote_storage(cluster, scans, tmp_path):
    (scans / "torn.png").unlink()
    near, far = tmp_path / "near", tmp_path / "far"
    restore_files(toolkit.make("restorer", "bicubic"), plan_jobs([scans], near))
    jobs = plan_jobs([location(f"local://{scans}")], location(f"local://{far}"))
    far.mkdir()
    (far / "a.png").write_bytes(b"done before")
    results = restore_on_ray(opening(), jobs, workers=2, existing="skip")
    assert [result.kept for result in results] == [True, False, False, False]
    assert [result.error for result in results] == [None] * 4
    assert written(far) == written(near) | {"a.png": b"done before"}
    assert [str(result.job.destination) for result in results] == [
        f"local://{far}/{name}" for name in ("a.png", "b.jpg", "sub/c.tif", "sub/d.png")
    ]


def test_a_restorer_that_workers_cannot_open_ends_it(cluster, scans, tmp_path):
    jobs = plan_jobs([scans], tmp_path / "out")
    bad = Opening("bicubic", {}, Treatment(), Files(), device="nowhere")
    with pytest.raises(ToolkitError, match=r"Ray stopped: .*There is no device 'nowhere'"):
        restore_on_ray(bad, jobs, workers=1)


def test_without_work_no_cluster_is_started(scans, tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "init", lambda *_, **__: pytest.fail("started"))
    jobs = plan_jobs([scans / "a.png"], tmp_path)
    jobs[0].destination.touch()
    [result] = restore_on_ray(opening(), jobs, existing="skip")
    assert result.kept


def test_tries_are_counted_until_an_end():
    tries = _Tries()
    assert [tries.begin(1), tries.begin(1), tries.begin(2)] == [0, 1, 0]
    tries.end(1)
    assert tries.begin(1) == 0


@pytest.mark.parametrize(
    ("device", "workers", "resources", "expected"),
    [
        ("auto", None, {"CPU": 8.0, "GPU": 2.0}, (2, 1.0, 1.0)),
        ("auto", 4, {"CPU": 8.0, "GPU": 2.0}, (4, 1.0, 0.5)),
        ("cpu", None, {"CPU": 8.0, "GPU": 2.0}, (8, 1.0, 0.0)),
        ("auto", 4, {"CPU": 2.0}, (4, 0.5, 0.0)),
    ],
)
def test_shares(monkeypatch, device, workers, resources, expected):
    monkeypatch.setattr(ray, "cluster_resources", lambda: resources)
    assert ray_cluster.shares(device, workers) == expected


def test_gpus_that_the_cluster_has_not(monkeypatch):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
    with pytest.raises(UsageError, match="--device cuda: the cluster has no GPU"):
        ray_cluster.shares("cuda", None)


def told(monkeypatch, capsys, *arguments):
    monkeypatch.setattr(sys, "argv", ["toolkit", "restore", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    return " ".join(capsys.readouterr().err.replace("│", "").split())


def test_mistakes(monkeypatch, capsys, scans):
    monkeypatch.setenv("COLUMNS", "300")
    assert "there is no such place" in told(monkeypatch, capsys, scans, "--on", "spark")
    assert "--workers is for --on ray" in told(monkeypatch, capsys, scans, "--workers", 2)
    assert "in this process alone" in told(monkeypatch, capsys, scans, "--on", "ray", "--compare")
    monkeypatch.setitem(sys.modules, "ray.data", None)
    without = told(monkeypatch, capsys, scans, "--on", "ray")
    assert "pip install 'restoration-toolkit[ray]'" in without
