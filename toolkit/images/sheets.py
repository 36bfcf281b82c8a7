"""Sheets: images side by side, with labels."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

_TEXT: Final = 200
"""Minimum width of a cell, for the text below it."""
_GAP: Final = 8
_LINE: Final = 15
_FONT: Final = 12
_LETTERS: Final = 6.2
"""Mean width of a letter, in pixels."""


def draw_grid(cells: Sequence[Tensor], labels: Sequence[str], across: int | None = None) -> Tensor:
    """Draws images in rows, each above its label.

    Args:
        cells: `[3, h, w]`, in [0, 1], all of one size.
        labels: One for each.
        across: Number of columns; None for a grid that is about square.

    Returns:
        `[3, H, W]`, in [0, 1].
    """
    from PIL import Image, ImageDraw, ImageFont

    height, width = cells[0].shape[1], max(cells[0].shape[2], _TEXT)
    texts = [textwrap.wrap(label, max(12, int(width / _LETTERS))) for label in labels]
    tall = height + _LINE * max(len(lines) for lines in texts) + 2 * _GAP
    across = across or math.ceil(math.sqrt(len(cells)))
    down = math.ceil(len(cells) / across)
    sheet = Image.new("RGB", (across * (width + _GAP) + _GAP, down * tall + _GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
    for index, (cell, lines) in enumerate(zip(cells, texts, strict=True)):
        row, column = divmod(index, across)
        left, top = _GAP + column * (width + _GAP), _GAP + row * tall
        pixels = (cell * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()
        sheet.paste(Image.fromarray(pixels), (left, top))
        for number, line in enumerate(lines):
            pen.text((left, top + height + 2 + number * _LINE), line, fill="black", font=font)
    return torch.from_numpy(np.array(sheet)).permute(2, 0, 1).float() / 255
