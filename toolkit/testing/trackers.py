"""The check for trackers."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from toolkit.images import Picture, write_picture
from toolkit.interfaces import Tracker
from toolkit.streams import torch_stream

_RECIPE = {"disc": "nad", "loss": {"mse": {"weight": 1.0}}, "train": {"steps": 3, "track": []}}


def check_tracker(tracker: Tracker) -> None:
    """Follows a run of two steps: values that come and go, values that are not finite, an image."""
    recipe, values = copy.deepcopy(_RECIPE), {"mse": 0.5, "ea-dists/edges": 1}
    # A library may still write its own log when the folder is removed.
    with TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place) / "run"
        (folder / "logs").mkdir(parents=True)
        sheet = folder / "sheet.png"
        write_picture(Picture(torch.rand(3, 16, 48, generator=torch_stream(0, "image"))), sheet)
        tracker.begin(folder, recipe, 0)
        tracker.log(1, values)
        tracker.log(2, {"mse": float("nan")})
        tracker.image(2, "samples", sheet)
        tracker.end("stopped")
        assert sheet.is_file(), "an image must not be moved"
    assert recipe == _RECIPE, "the recipe must not be modified"
    assert values == {"mse": 0.5, "ea-dists/edges": 1}, "values must not be modified"
