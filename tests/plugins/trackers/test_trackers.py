"""The trackers with their real libraries, offline; where a library is not installed, its error."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import toolkit
from toolkit.errors import ToolkitError

RECIPE = {"disc": "nad", "train": {"steps": 4}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "first" / "logs").mkdir(parents=True)
    assert cv2.imwrite(str(tmp_path / "first" / "sheet.png"), np.zeros((16, 48, 3), np.uint8))
    return tmp_path / "first"


def follow(name, folder, step, values, **options):
    """Follows a run from one step on."""
    tracker = toolkit.make("tracker", name, **options)
    tracker.begin(folder, RECIPE, step)
    for number, value in enumerate(values, step + 1):
        tracker.log(number, {"mse": value})
    tracker.image(step + len(values), "samples", folder / "sheet.png")
    tracker.end("stopped")


def test_tensorboard_reads_the_events_back(folder):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    follow("tensorboard", folder, 0, [0.5, 0.4, 0.3])
    follow("tensorboard", folder, 2, [0.25, 0.125])  # step 3 is repeated
    events = EventAccumulator(str(folder / "tensorboard"), {"images": 9}).Reload()
    read = [(each.step, each.value) for each in events.Scalars("mse")]
    assert read == [(1, 0.5), (2, pytest.approx(0.4)), (3, 0.25), (4, 0.125)]
    images = events.Images("samples")
    assert [(each.step, each.width, each.height) for each in images] == [(4, 48, 16)]
    text = events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0].decode()
    assert json.loads(text) == RECIPE


def test_wandb_keeps_one_identity_over_a_resumed_run(folder, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    follow("wandb:mine", folder, 0, [0.5, 0.4], offline=True)
    follow("wandb:mine", folder, 1, [0.4, 0.25], offline=True)
    kept = [path.stem for path in folder.glob("wandb/offline-run-*/*.wandb")]
    assert kept == [f"run-{(folder / 'logs' / 'wandb.txt').read_text().strip()}"] * 2


TRACKIO = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import toolkit
from test_trackers import follow
from dataclasses import replace
from toolkit.testing import check_component

folder = Path(sys.argv[1])
follow("trackio:mine", folder, 0, [0.5, 0.4])
follow("trackio:mine", folder, 2, [0.25])
[trackio] = [each for each in toolkit.components("tracker") if each.name == "trackio"]
check_component(replace(trackio, tiny={"project": "other"}))
"""


def test_trackio_keeps_one_run_over_a_resumed_run(folder, tmp_path):
    pytest.importorskip("trackio")
    # Its folder is that of the environment when it is imported.
    environment = {**os.environ, "TRACKIO_DIR": str(tmp_path / "trackio")}
    done = subprocess.run(
        [sys.executable, "-c", TRACKIO, str(folder), str(Path(__file__).parent)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with contextlib.closing(sqlite3.connect(tmp_path / "trackio" / "mine.db")) as database:
        rows = database.execute("SELECT run_name, step, metrics FROM metrics").fetchall()
    assert len({name for name, _, _ in rows}) == 1
    values = [(step, json.loads(metrics)) for _, step, metrics in rows]
    assert [(s, v["mse"]) for s, v in values if "mse" in v] == [(1, 0.5), (2, 0.4), (3, 0.25)]
    assert [step for step, value in values if "samples" in value] == [2, 3]


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_library_that_is_not_installed_is_named(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    for module in [each for each in sys.modules if each.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr("toolkit.makers.find_spec", lambda _name: None)
    with pytest.raises(ToolkitError, match=f"needs {name}, which is not installed") as told:
        toolkit.make("tracker", name)
    assert told.value.hint.endswith(f"pip install {name}")


@pytest.mark.parametrize("torn", ["", "0123", "not an identity\n"])
def test_an_identity_that_is_torn_is_made_anew(tmp_path, torn):
    from toolkit_trackers.identity import identity

    path = tmp_path / "logs" / "id.txt"
    made = identity(path)
    assert identity(path) == made
    path.write_text(torn)
    again = identity(path)
    assert again != made
    assert identity(path) == again
