"""Comparison sheets: one part of a photograph, degraded in different ways, side by side."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from toolkit.abilities import Steps
from toolkit.images import bicubic_resize

_PART: Final = 160
"""Largest side of the part shown, in LR pixels."""
_CELL: Final = 400
"""Approximate length of a cell's longer side, in pixels."""
_TEXT: Final = 200
"""Minimum width of a cell, for the text below it."""
_GAP: Final = 8
_LINE: Final = 15
_FONT: Final = 12
_LETTERS: Final = 6.2
"""Mean width of a letter, in pixels."""


def draw_sheet(hr: Tensor, variants: Sequence[tuple[Tensor, int | None, Steps | None]]) -> Tensor:
    """Draws the middle of the HR and LR images, with the histories below the latter.

    Args:
        hr: `[3, h, w]`, in [0, 1].
        variants: LR image, `[3, h/scale, w/scale]`, sample index, and history, as in `Variant`.

    Returns:
        `[3, H, W]`, in [0, 1].
    """
    height, width = variants[0][0].shape[1:]
    part = min(height, _PART), min(width, _PART)
    zoom = max(1, round(_CELL / max(part)))
    size = part[0] * zoom, part[1] * zoom
    top, left = (height - part[0]) // 2, (width - part[1]) // 2
    scale = hr.shape[1] // height
    cells = [_enlarged(hr, top * scale, left * scale, part[0] * scale, part[1] * scale, size)]
    labels = ["HR"]
    for position, (lr, index, history) in enumerate(variants):
        window = lr[:, top : top + part[0], left : left + part[1]]
        cells.append(window.repeat_interleave(zoom, 1).repeat_interleave(zoom, 2))
        labels.append(f"#{position if index is None else index}  {summarise(history)}")
    return _grid(cells, labels)


def summarise(history: Steps | None) -> str:
    """Formats a history in one line, with short numbers.

    Example:
        >>> summarise([{"step": "blur", "sigma": [0.512345, 2]}, {"step": "jpeg", "quality": 61}])
        'blur 0.512/2, jpeg 61'
    """
    return ", ".join(" ".join(_words(step)) for step in history or ())


def _words(step: Any) -> list[str]:
    words = [str(step.get("step", ""))]
    for name, value in step.items():
        if isinstance(value, bool):
            words += [name] if value else []
        elif name not in {"step", "seed"} and value not in (0, 1):  # mostly without effect
            words.append(_short(value))
    return words


def _short(value: Any) -> str:
    if isinstance(value, float | int):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return "/".join(_short(item) for item in value)
    return str(value)


def _enlarged(
    hr: Tensor, top: int, left: int, height: int, width: int, size: tuple[int, int]
) -> Tensor:
    window = hr[:, top : top + height, left : left + width]
    return bicubic_resize(window[None], size)[0].clamp(0, 1)


def _grid(cells: Sequence[Tensor], labels: Sequence[str]) -> Tensor:
    from PIL import Image, ImageDraw, ImageFont

    height, width = cells[0].shape[1], max(cells[0].shape[2], _TEXT)
    texts = [textwrap.wrap(label, max(12, int(width / _LETTERS))) for label in labels]
    tall = height + _LINE * max(len(lines) for lines in texts) + 2 * _GAP
    across = math.ceil(math.sqrt(len(cells)))
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
