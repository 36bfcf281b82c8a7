"""Visual comparisons: Figures 5 to 8, and those of a user's own images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from toolkit.figures.document import Figure
from toolkit.figures.drawing import FONT, new_canvas, show_image
from toolkit.figures.panels import Photograph, photographs_of, scores_of
from toolkit.figures.systems import Asked, Systems, systems_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from toolkit.registry import Registry
    from toolkit.tables.quality import Tell

TITLES: Final[Mapping[str, str]] = {
    "5": "GAN- and Transformer-based restorers",
    "6": "Diffusion-based restorers",
    "7": "Training data",
    "8": "Perceptual losses",
}
_TABLES: Final[Mapping[str, tuple[str, ...]]] = {"5": ("2",), "6": ("1",), "7": ("4",), "8": ("5",)}
_ROWS: Final[Mapping[str, tuple[str, ...]]] = {
    "5": ("real-esrgan", "realsr-jpeg", "swinir", "dfosd", "bicubic")
}
_ACROSS: Final = 4
"""Crops in a line, at most."""


def comparison_figure(number: str, asked: Asked, registry: Registry, tell: Tell) -> Figure:
    """Makes Figure 5, 6, 7 or 8.

    Raises:
        UsageError: Nothing that it shows can be made here, or what is asked for does not exist.
    """
    systems = systems_of(_TABLES[number], asked, registry, tell, _ROWS.get(number, ()))
    photographs = photographs_of(systems, asked)
    data = {
        "scale": asked.setting,
        "quick": asked.quick,
        "tables": list(_TABLES[number]),
        "systems": system_records(systems),
    }
    return compare(f"figure{number}", TITLES[number], photographs, registry, data, systems.needs)


def system_records(systems: Systems) -> dict[str, Any]:
    """Returns what the data says of each system, by label."""
    found = {}
    for each in systems.found:
        result = each.measurement.result()
        found[each.label] = {
            "recipe": each.recipe,
            "seed": each.measurement.seed,
            "system": result.system if result else {},
            "made_by": each.measurement.made_by.model_dump(mode="json")["system"],
            "mean": each.mean,
        }
    return found


def compare(
    name: str,
    title: str,
    photographs: Sequence[Photograph],
    registry: Registry,
    data: Mapping[str, Any],
    needs: Sequence[tuple[str, str]] = (),
) -> Figure:
    """Makes a figure that shows the same crop of all images, scored."""
    records: list[dict[str, Any]] = []
    for each in photographs:
        height, width = each.lr.shape[1:]
        records.append(
            {
                "name": each.name,
                "size": [width, height],
                "crop": {"left": each.crop.left, "top": each.crop.top, "side": each.crop.side},
                "sha256": dict(each.digests),
                "scores": scores_of(each, registry),
            }
        )
    canvas = _drawn(title, photographs, [record["scores"] for record in records])
    about = "PSNR in dB and SSIM of Y (BT.601), of the whole photograph and of the crop."
    content = {**data, "photographs": records, "protocol": about}
    return Figure(name, title, content, canvas, needs)


def _drawn(
    title: str, photographs: Sequence[Photograph], scores: Sequence[Mapping[str, Any]]
) -> Canvas:
    """Draws a block for each photograph: the whole of it, and beside it the crops."""
    count = max(len(each.images) for each in photographs)
    down = math.ceil(count / _ACROSS)
    across = math.ceil(count / down)  # lines of about the same length
    width = 1.7 * (across + down) + 0.3
    canvas = new_canvas(width, (2.15 * down) * len(photographs) + 0.6)
    canvas.suptitle(title, fontsize=FONT + 2)
    blocks = canvas.subfigures(len(photographs), 1, squeeze=False)[:, 0]
    for block, photograph, found in zip(blocks, photographs, scores, strict=True):
        grid = block.add_gridspec(down, across + 1, width_ratios=[down, *[1] * across])
        _whole(block.add_subplot(grid[:, 0]), photograph)
        for index, (label, image) in enumerate(photograph.images.items()):
            row, column = divmod(index, across)
            axes = block.add_subplot(grid[row, column + 1])
            show_image(axes, photograph.crop.of(image), _caption(label, found))
    return canvas


def _whole(axes: Any, photograph: Photograph) -> None:
    """Shows a whole photograph with a frame around the crop."""
    from matplotlib.patches import Rectangle

    whole = photograph.lr if photograph.hr is None else photograph.hr
    show_image(axes, whole, f"{photograph.name}\ncrop {photograph.crop}")
    crop = photograph.crop
    for colour, line in (("white", 3.0), ("#D55E00", 1.5)):
        axes.add_patch(
            Rectangle((crop.left, crop.top), crop.side, crop.side, fill=False, ec=colour, lw=line)
        )


def _caption(label: str, scores: Mapping[str, Any]) -> str:
    found = scores.get(label)
    if not found:
        return f"{label}\nPSNR / SSIM" if label == "HR" and scores else f"{label}\n"
    psnr, ssim = (found[name]["photograph"] for name in ("psnr", "ssim"))
    if psnr is None or ssim is None:
        return f"{label}\n"
    return f"{label}\n{psnr:.2f} / {ssim:.4f}"
