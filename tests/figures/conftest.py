"""Systems of a figure without any training: images that are there already."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from toolkit.figures.systems import System, Systems
from toolkit.images import Picture, read_picture, write_picture
from toolkit.tables.measurement import Measurement
from toolkit.tables.quality import Tell


@pytest.fixture
def silent():
    """Tells nobody of the progress."""
    return Tell(lambda *_: None, lambda _: None, lambda _: nullcontext(lambda _event: None))


@pytest.fixture
def systems(tmp_path, photo_folder):
    """Two systems that differ in one corner of the second photograph."""
    photographs = tmp_path / "photographs" / "few"
    found = [_system(tmp_path / name, name, photographs) for name in ("one", "two")]
    for number, path in enumerate(sorted(photo_folder.glob("*.png"))):
        hr = read_picture(path).rgb
        _write(photographs / "hr" / path.name, hr)
        _write(photographs / "lr" / path.name, hr[:, ::4, ::4])
        for system in found:
            sr = hr * 0.5
            if number == 1 and system.label == "two":
                sr[:, 48:, 64:] = 1 - sr[:, 48:, 64:]
            _write(system.measurement.images / path.name, sr)
    return Systems(found)


def _system(folder, name, photographs):
    measurement = Measurement(name, None, SimpleNamespace(), folder, photographs)
    return System(name, {"restorer": name}, measurement)


def _write(path: Path, rgb: torch.Tensor):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(rgb.contiguous()), path)
