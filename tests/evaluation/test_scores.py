"""Folders to figures: what is left out, what is cached, what is never computed twice."""

import json
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from toolkit import provenance
from toolkit.component import Component, Options
from toolkit.errors import DataError, ToolkitError, UsageError, WeightsError
from toolkit.evaluation.cache import ScoreCache
from toolkit.evaluation.document import document
from toolkit.evaluation.scores import default_metrics, prepare
from toolkit.evaluation.scoring import score
from toolkit.registry import Registry


class Brightness:
    """Mean of the SR image; counts its calls, and fails where it is told to."""

    direction = "higher"

    def __init__(self, needs_reference=False, version="1", fault=None):
        self.needs_reference = needs_reference
        self.fingerprint = {"version": version}
        self.fault = fault
        self.calls = 0

    def __call__(self, sr, hr=None):
        self.calls += 1
        assert (hr is not None) == self.needs_reference
        assert sr.dtype == torch.float32
        assert torch.is_inference_mode_enabled()
        if self.fault:
            return self.fault(sr)
        return sr.mean(dim=(1, 2, 3))


def registry_of(**built):
    """A registry of metrics that are made already, or whose build raises."""
    registry = Registry()
    for name, made in built.items():

        def build(_options, _context, made=made):
            if isinstance(made, Exception):
                raise made
            return made

        registry.add(
            name, [Component(kind="metric", name=name, summary="", build=build, options=Options)]
        )
    return registry


def raising(error):
    """A fault of a metric."""

    def fault(_sr):
        raise error

    return fault


def run(folders, registry, *names, cache=None):
    return score(prepare(*folders, names or ["m"], registry), cache)


def test_figures_means_and_intervals(folders):
    scores = run(folders, registry_of(m=Brightness()))
    assert scores.figures["b"]["m"] == pytest.approx(82 / 255)
    assert scores.mean("m") == pytest.approx(82 / 255)
    low, high = scores.interval("m")
    assert 31.9 / 255 < low < 82 / 255 < high < 132.1 / 255


def test_a_metric_asked_for_twice_counts_once(folders):
    metric = Brightness()
    scores = run(folders, registry_of(m=metric), "m", "m")
    assert list(scores.metrics) == ["m"]
    assert metric.calls == 3


def test_a_second_run_calls_no_metric(folders, tmp_path):
    metric = Brightness()
    registry = registry_of(m=metric, full=Brightness(needs_reference=True))
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        first = run(folders, registry, "m", "full", cache=cache)
        second = run(folders, registry, "m", "full", cache=cache)
    assert metric.calls == 3
    assert document(first) == document(second)


def test_what_a_figure_depends_on_is_computed_anew(folders, tmp_path):
    sr, hr = folders
    alone, full = Brightness(), Brightness(needs_reference=True)
    registry = registry_of(alone=alone, full=full)
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        run(folders, registry, "alone", "full", cache=cache)
        cv2.imwrite(str(hr / "a.png"), np.zeros((12, 16, 3), np.uint8))
        run(folders, registry, "alone", "full", cache=cache)
        assert (alone.calls, full.calls) == (3, 4)  # the original matters to one of them
        cv2.imwrite(str(sr / "a.png"), np.zeros((12, 16, 3), np.uint8))
        run(folders, registry, "alone", "full", cache=cache)
        assert (alone.calls, full.calls) == (4, 5)
        newer = Brightness(version="2")
        run(folders, registry_of(alone=newer), "alone", cache=cache)
        assert newer.calls == 3


def test_another_version_of_a_metric_is_computed_anew(folders, tmp_path, monkeypatch):
    metric = Brightness()
    registry = registry_of(m=metric)
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        run(folders, registry, cache=cache)
        monkeypatch.setattr(provenance, "_digest", lambda _name: ("2", "other"))
        made = document(run(folders, registry, cache=cache))["metrics"]["m"]["made_by"]
    assert metric.calls == 6
    assert made["m"] == {"version": "2", "code": "other", "supplies": ["metric/m"]}


def test_equal_files_of_two_names_are_computed_once(folders, tmp_path):
    sr, _ = folders
    (sr / "b.png").write_bytes((sr / "a.png").read_bytes())
    metric = Brightness()
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        run((sr, None), registry_of(m=metric), cache=cache)
    assert metric.calls == 2


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (raising(DataError("too small for it")), "too small for it"),
        (raising(RuntimeError("kernel size")), "RuntimeError: kernel size"),
        (lambda sr: sr.new_full([1], torch.nan), "nan"),
        (lambda sr: sr.new_full([1], torch.inf), "inf"),
    ],
)
def test_a_figure_that_fails_leaves_the_others(folders, fault, reason):
    def at_the_dark(sr):
        return fault(sr) if sr.mean() < 0.2 else sr.mean()[None]

    registry = registry_of(bad=Brightness(fault=at_the_dark), good=Brightness())
    scores = run(folders, registry, "bad", "good")
    [(image, metric, told)] = scores.missing
    assert (image, metric) == ("a", "bad")
    assert reason in told
    assert (len(scores.of("bad")), len(scores.of("good"))) == (2, 3)
    made = document(scores)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["images"][0]["scores"]["bad"] is None
    assert made["metrics"]["bad"]["count"] == 2


def test_a_metric_without_any_figure_has_no_mean(folders):
    registry = registry_of(bad=Brightness(fault=raising(DataError("no"))), good=Brightness())
    made = document(run(folders, registry, "bad", "good"))["metrics"]["bad"]
    assert (made["mean"], made["interval"], made["count"]) == (None, None, 0)


def test_unequal_sizes_stop_full_reference_metrics_alone(folders):
    sr, hr = folders
    cv2.imwrite(str(sr / "b.png"), np.zeros((5, 7, 3), np.uint8))
    registry = registry_of(full=Brightness(needs_reference=True), alone=Brightness())
    scores = run(folders, registry, "full", "alone")
    [(image, metric, told)] = scores.missing
    assert (image, metric) == ("b", "full")
    assert all(part in told for part in (str(sr / "b.png"), str(hr / "b.png"), "7x5", "16x12"))
    assert len(scores.of("alone")) == 3


def test_unreadable_images_are_skipped_and_named(folders):
    sr, hr = folders
    (sr / "a.png").write_bytes(b"")
    (hr / "b.png").write_bytes(b"none")
    cv2.imwrite(str(sr / "d.png"), np.zeros((5, 7, 3), np.uint8))
    cv2.imwrite(str(hr / "e.png"), np.zeros((5, 7, 3), np.uint8))
    scores = run(folders, registry_of(m=Brightness(needs_reference=True)))
    assert list(scores.figures) == ["c"]
    assert sorted(name for name, _ in scores.skipped) == ["a", "b", "d", "e"]


def test_a_float_tiff_is_skipped_and_16_bits_and_grey_are_not(folders):
    sr, _ = folders
    cv2.imwrite(str(sr / "float.tif"), np.zeros((12, 16, 3), np.float32))
    cv2.imwrite(str(sr / "deep.png"), np.full((12, 16), 65535 // 5, np.uint16))
    scores = run((sr, None), registry_of(m=Brightness()))
    assert scores.figures["deep"]["m"] == pytest.approx(0.2)
    assert [name for name, _ in scores.skipped] == ["float"]


@pytest.mark.parametrize(
    ("error", "told", "hint"),
    [
        (WeightsError("x.pth is missing.", "Fetch it"), "x.pth is missing.", "Fetch it"),
        (ModuleNotFoundError("No module", name="lib.part"), "needs lib", "pip install lib"),
        (ImportError("libGL.so.1: cannot open shared object file"), "libGL.so.1", ""),
        (FileNotFoundError(2, "No such file", "x.pth"), "x.pth", ""),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_an_unavailable_metric_is_told_once_and_not_tried_again(folders, error, told, hint, late):
    metric = Brightness(fault=raising(error))
    registry = registry_of(lost=metric if late else error, good=Brightness())
    scores = run(folders, registry, "lost", "good")
    assert metric.calls == late
    assert list(scores.metrics) == ["good"]
    [made] = document(scores)["unavailable"]
    assert made["metric"] == "lost"
    assert told in made["reason"]
    assert hint in made["hint"]
    assert scores.missing == []
    with pytest.raises(ToolkitError, match="No metric can be loaded") as caught:
        run(folders, registry, "lost")
    assert caught.value.exit_code == 1
    assert isinstance(caught.value, WeightsError) == isinstance(error, WeightsError)


def test_a_metric_that_is_lost_keeps_its_cached_figures(folders, tmp_path):
    sr, _ = folders
    with ScoreCache(tmp_path / "scores.sqlite") as cache:
        run(folders, registry_of(m=Brightness()), cache=cache)
        cv2.imwrite(str(sr / "b.png"), np.zeros((12, 16, 3), np.uint8))
        lost = Brightness(fault=raising(WeightsError("gone")))
        scores = run(folders, registry_of(m=lost), cache=cache)
    assert [name for name, found in scores.figures.items() if found] == ["a", "c"]
    assert "m" in scores.unavailable
    assert "m" in document(scores)["metrics"]


def test_nothing_scored_is_an_error_that_says_why(folders):
    registry = registry_of(m=Brightness(fault=raising(DataError("far too small"))))
    with pytest.raises(DataError, match="a, m: far too small"):
        run(folders, registry)


def test_what_is_measured_by_default(folders):
    _, hr = folders
    assert default_metrics(Registry(), hr) == ["psnr-y", "ssim-y", "dists"]
    assert default_metrics(registry_of(niqe=Brightness()), None) == ["niqe"]
    with pytest.raises(UsageError) as caught:
        default_metrics(Registry(), None)
    assert "--hr" in caught.value.hint


KILLED = """
import sys, time
from pathlib import Path
from toolkit.evaluation.cache import ScoreCache
from toolkit.evaluation.scores import prepare
from toolkit.evaluation.scoring import score
from toolkit.colour_profiles import read_photo
from toolkit.component import Component
from toolkit.registry import Registry

class Slow:
    direction, needs_reference, fingerprint, calls = "higher", False, {"version": "1"}, 0
    def __call__(self, sr, hr=None):
        Slow.calls += 1
        if Slow.calls == 3:
            print("ready", flush=True)
            time.sleep(60)
        return sr.mean(dim=(1, 2, 3))

registry = Registry()
registry.add("m", [Component(kind="metric", name="m", summary="", build=lambda *_: Slow())])
with ScoreCache(Path(sys.argv[2])) as cache:
    score(prepare(Path(sys.argv[1]), None, ["m"], registry), cache)
"""


def test_a_kill_loses_the_figure_at_work_alone(folders, tmp_path):
    sr, path = folders[0], tmp_path / "scores.sqlite"
    command = [sys.executable, "-c", KILLED, str(sr), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout.readline() == "ready\n"
        os.kill(victim.pid, signal.SIGKILL)
    metric = Brightness()
    with ScoreCache(path) as cache:
        assert len(run((sr, None), registry_of(m=metric), cache=cache).figures) == 3
    assert metric.calls == 1
