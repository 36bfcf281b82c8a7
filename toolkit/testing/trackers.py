"""The check of trackers."""

from __future__ import annotations

import copy
from pathlib import Path
from tempfile import TemporaryDirectory

from toolkit.images import Picture, write_picture
from toolkit.interfaces import Tracker
from toolkit.testing.samples import image
from toolkit.testing.subject import Subject, demand

_RECIPE = {"disc": "nad", "loss": {"mse": {"weight": 1.0}}, "train": {"steps": 3, "track": []}}
_VALUES = {"mse": 0.5, "ea-dists/edges": 1}


def tracking(subject: Subject) -> None:
    """Follows a run of two steps: values that come and go, values that are not finite, an image."""
    tracker: Tracker = subject.made
    recipe, values = copy.deepcopy(_RECIPE), dict(_VALUES)
    # A library may still write its own log when the folder is removed.
    with TemporaryDirectory(ignore_cleanup_errors=True) as place:
        folder = Path(place) / "run"
        (folder / "logs").mkdir(parents=True)
        sheet = folder / "sheet.png"
        write_picture(Picture(image(1, 16, 48)[0]), sheet)
        tracker.begin(folder, recipe, 0)
        tracker.log(1, values)
        tracker.log(2, {"mse": float("nan")})
        tracker.image(2, "samples", sheet)
        tracker.end("stopped")
        demand(sheet.is_file(), "an image must not be moved")
    demand(recipe == _RECIPE, "the recipe must not be modified")
    demand(values == _VALUES, "values must not be modified")
