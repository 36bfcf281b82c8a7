"""Photographs, a recipe and a training that are small enough for a test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.nn.functional as F

from toolkit import defaults
from toolkit.images import Picture, write_picture
from toolkit.recipe import resolve
from toolkit.runs import Run
from toolkit.testing.distributions import quietly_installed
from toolkit.testing.samples import image
from toolkit.training import loop

_SHAPES = ((80, 96), (96, 80), (64, 64))


def write_photographs(folder: Path) -> None:
    """Writes three images with edges, smooth areas and fine grain, the same ones every time."""
    for number, (height, width) in enumerate(_SHAPES):
        layers = [
            F.interpolate(image(1, side, seed=number), size=(height, width), mode=mode)
            for side, mode in ((3, "bicubic"), (9, "nearest"), (height, "nearest"))
        ]
        mixed = 0.6 * layers[0] + 0.3 * layers[1] + 0.1 * layers[2]
        write_picture(Picture(mixed[0].clamp(0, 1)), folder / f"{number}.png")


def recipe_tables(photographs: Path) -> dict[str, Any]:
    """Returns the tables of a recipe: one image per step, 32 pixels a side, no discriminator."""
    generator = quietly_installed().find("generator", defaults.RECIPE["gen"])
    return {
        **defaults.QUICK_PARTS,
        "gen": {"use": generator.name, **generator.tiny},
        "data": f"{defaults.FOLDER}:{photographs}",
        "train": {
            "steps": 2, "batch": 1, "crop": 32, "device": "cpu", "precision": "float32",
            "sample_every": 0,
        },
    }  # fmt: skip


def train(folder: Path, tables: Mapping[str, Any]) -> Path:
    """Trains a run by a recipe's tables; returns its folder."""
    registry = quietly_installed()
    loop.train(Run(folder), resolve(tables, registry), registry)
    return folder
