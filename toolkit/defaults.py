"""Default components. No other module of the core names components."""

from __future__ import annotations

from typing import Any

RECIPE: dict[str, Any] = {
    "backbone": "pocket",
    "gen": "one-step",
    "disc": "nad",
    "loss": "ea-dists",
    "degradation": "realesrgan",
    "data": "photos",
}
"""The default recipe."""
QUICK_PARTS = {"disc": "none", "loss": "mse", "degradation": "bicubic"}
"""The parts of a training that takes the least time, for tests."""
PIXEL_LOSS = "mse"
"""The first term of eq. 8, to which a single loss is added."""
FOLDER = "folder"
"""The dataset of a folder of photographs, as `folder:DIR`."""
FOLDERS = ("pairs", FOLDER)
"""Datasets that a folder of unknown content may be, the most specific first."""
RESTORER = "pocket"
"""The default of `toolkit restore`."""
METRICS = ("psnr-y", "ssim-y", "dists")
"""What `toolkit eval` measures where there are originals."""
METRICS_WITHOUT_ORIGINALS = ("niqe",)
"""What it measures where there are none."""
VALIDATION = "photos:heldout"
"""The photographs that a training is validated on."""
VALIDATION_METRICS = ("dists", "psnr-y")
"""What a training is validated by; the first decides which checkpoint is the best."""
