"""What all drawings share: the library, and colours that colour-blind readers tell apart."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Final

from toolkit.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas
    from torch import Tensor

COLOURS: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F",
)  # fmt: skip
"""Okabe and Ito's palette."""
MARKERS: Final = "osD^vPX*"
FONT: Final = 9


def check_library(module: str = "matplotlib", extra: str = "figures") -> None:
    """Checks that a library which an extra brings is installed.

    Raises:
        UsageError: It is not.
    """
    if importlib.util.find_spec(module) is None:
        raise UsageError(
            f"Figures are drawn with {module}, which is not installed.",
            f"pip install 'restoration-toolkit[{extra}]'",
        )


def new_canvas(width: float, height: float) -> Canvas:
    """Returns an empty drawing.

    Args:
        width: In inches.
        height: In inches.
    """
    check_library()
    from matplotlib.figure import Figure as Canvas

    return Canvas(figsize=(width, height), layout="constrained")


def show_image(axes: Any, image: Tensor, label: str = "") -> None:
    """Shows an image, `[3, h, w]` in [0, 1], pixel by pixel, with a label below it."""
    pixels = image.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()
    axes.imshow(pixels, interpolation="nearest")
    bare(axes)
    axes.set_xlabel(label, fontsize=FONT)


def bare(axes: Any) -> None:
    """Removes ticks and frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
