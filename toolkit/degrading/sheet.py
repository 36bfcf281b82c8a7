"""Comparison sheets: one part of a photograph, degraded in different ways, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from torch import Tensor

from toolkit.abilities import Steps
from toolkit.images import bicubic_resize
from toolkit.images.sheets import draw_grid

_PART: Final = 160
"""Largest side of the part shown, in LR pixels."""
_CELL: Final = 400
"""Approximate length of a cell's longer side, in pixels."""


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
    return draw_grid(cells, labels)


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
