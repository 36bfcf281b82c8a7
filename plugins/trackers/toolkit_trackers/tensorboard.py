"""Writes event files for TensorBoard."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SECONDS = 20
"""Between writes to disk."""


class TensorBoard:
    """Writes event files into the folder `tensorboard` of a run."""

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._open: Any = SummaryWriter

    def begin(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        """Opens a new event file, which hides what earlier ones hold of later steps."""
        self._writer = self._open(
            str(folder / "tensorboard"), purge_step=step + 1, flush_secs=_SECONDS
        )
        lines = json.dumps(recipe, indent=2).splitlines()
        as_code = "\n".join(f"    {line}" for line in lines)  # in Markdown
        self._writer.add_text("recipe", as_code, step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records each value as a scalar."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def image(self, step: int, name: str, path: Path) -> None:
        """Records an image."""
        import numpy as np
        from PIL import Image

        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
        self._writer.add_image(name, pixels, step, dataformats="HWC")

    def end(self, _state: str) -> None:
        """Closes the event file."""
        self._writer.close()
