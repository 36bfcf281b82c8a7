"""The components that are used where nobody names one. No other module of the core names any."""

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
"""A recipe that says nothing else."""
PIXEL_LOSS = "mse"
"""The first term of eq. 8, which a single loss is added to."""
FOLDER = "folder"
"""The dataset of a folder of photographs, as `folder:DIR`."""
FOLDERS = ("pairs", FOLDER)
"""Datasets that a folder of unknown content may be, the most specific first."""
RESTORER = "pocket"
"""What `toolkit restore` restores with."""
METRICS = ("psnr-y", "ssim-y", "dists")
"""What `toolkit eval` measures where there are originals."""
METRICS_WITHOUT_ORIGINALS = ("niqe",)
"""What it measures where there are none."""
