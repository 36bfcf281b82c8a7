"""What tests of several parts share."""

import os
from pathlib import Path

import cv2
import pytest
from hypothesis import settings

HELDOUT = Path(__file__).parents[1] / "plugins/photos/toolkit_photos/data/heldout"

# Before torch is imported, here and in the commands that tests run: on images this small further
# threads gain nothing, and wait for each other for minutes when the cores are busy.
os.environ["OMP_NUM_THREADS"] = "1"

# The same examples every time, however busy the machine is.
settings.register_profile("toolkit", derandomize=True, deadline=None)
settings.load_profile("toolkit")


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """Three real photographs of 96 x 80 pixels; not to be written into."""
    folder = tmp_path_factory.mktemp("photos")
    for path in sorted(HELDOUT.glob("*.webp"))[:3]:
        pixels = cv2.resize(cv2.imread(str(path)), (96, 80), interpolation=cv2.INTER_AREA)
        assert cv2.imwrite(str(folder / f"{path.stem}.png"), pixels)
    return folder


@pytest.fixture
def toolkit_home(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"
