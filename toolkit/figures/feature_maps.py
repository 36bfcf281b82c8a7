"""Figure 4: feature maps of DISTS and EA-DISTS, and their contrast of texture and flat parts."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from toolkit.abilities import HasFeatureMaps
from toolkit.colour_profiles import read_photo
from toolkit.errors import UsageError
from toolkit.figures.crops import AUTO, Crop, parse_crop
from toolkit.figures.document import Figure, file_digest
from toolkit.figures.drawing import COLOURS, FONT, bare, new_canvas, show_image
from toolkit.figures.heldout import heldout, named
from toolkit.provenance import plain, provenance
from toolkit.specs import Selection

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from toolkit.figures.systems import Asked
    from toolkit.registry import Registry

TITLE: Final = "Feature maps of DISTS and EA-DISTS"
LOSSES: Final = ("dists", "ea-dists")
_SIDE = 256
_SHARE = 0.3
"""Share of the pixels that counts as textured, and as flat."""
_WINDOW = 9
"""Side of the windows whose standard deviation tells texture, in pixels."""


def feature_maps_figure(asked: Asked, registry: Registry) -> Figure:
    """Makes Figure 4.

    Raises:
        UsageError: The photograph is unknown, the crop lies outside of it, or a loss shows no maps.
    """
    path, crop = _chosen(asked, registry)
    image = crop.of(read_photo(path))
    maps = {loss: _maps(loss, image, registry) for loss in LOSSES}
    measured = {
        loss: {kind: [contrast(stage, image) for stage in stages] for kind, stages in each.items()}
        for loss, each in maps.items()
    }
    figures = {loss: _joint(measured[loss]) for loss in LOSSES}
    data: dict[str, Any] = {
        "scale": asked.setting,
        "photograph": {"name": path.stem, "sha256": file_digest(path), "crop": str(crop)},
        "contrast": figures,
        "by_input": measured,
        "protocol": f"Per stage, the mean activation in the {_SHARE:.0%} most textured pixels over "
        f"that in the {_SHARE:.0%} flattest, by the standard deviation of the brightness in "
        f"windows of {_WINDOW} px. Of EA-DISTS, the mean over its maps of the image and "
        "of its edges.",
        "made_by": plain(provenance(registry, [("loss", Selection(use=name)) for name in LOSSES])),
    }
    return Figure("figure4", TITLE, data, _drawn(image, maps, figures))


def contrast(maps: Tensor, image: Tensor) -> float:
    """Computes the ratio of activation in textured to that in flat parts.

    Args:
        maps: Feature maps of one stage, `[channels, h', w']`, not negative.
        image: The image, `[3, h, w]`, in [0, 1].
    """
    energy = F.interpolate(maps.mean(0)[None, None], size=image.shape[1:], mode="bilinear")[0, 0]
    spread = texture(image)
    low, high = torch.quantile(spread, torch.tensor([_SHARE, 1 - _SHARE]))
    flat, textured = energy[spread <= low].mean(), energy[spread >= high].mean()
    return round(float(textured / flat.clamp_min(1e-12)), 4)


def texture(image: Tensor) -> Tensor:
    """Returns the standard deviation of the brightness around each pixel, `[h, w]`."""
    grey = F.pad(image.mean(0)[None, None], [_WINDOW // 2] * 4, mode="reflect")
    mean, squares = (F.avg_pool2d(each, _WINDOW, 1) for each in (grey, grey.square()))
    return (squares - mean.square()).clamp_min(0).sqrt()[0, 0]


def _joint(by_input: Mapping[str, list[float]]) -> list[float]:
    stages = zip(*by_input.values(), strict=True)
    return [round(sum(each) / len(each), 4) for each in stages]


def _maps(loss: str, image: Tensor, registry: Registry) -> dict[str, list[Tensor]]:
    """Feature maps of the network's five stages, without the image itself."""
    made = registry.make("loss", Selection(use=loss))
    if not isinstance(made, HasFeatureMaps):
        raise UsageError(
            f"The loss {loss!r} does not show its feature maps.",
            "Figure 4 needs the plugin restoration-toolkit-losses of this version.",
        )
    found = made.feature_maps(image[None])
    return {kind: [stage[0] for stage in stages[1:]] for kind, stages in found.items()}


def _chosen(asked: Asked, registry: Registry) -> tuple[Path, Crop]:
    """The photograph and the crop: by default the most detailed one."""
    paths = named(heldout(asked, registry).hr, asked.image)
    if asked.crop != AUTO:
        crop = parse_crop(asked.crop)
        assert crop
        height, width = read_photo(paths[0]).shape[1:]
        crop.check(width, height, paths[0].stem)
        return paths[0], crop
    ranked = [(*most_detailed(read_photo(path)), path) for path in paths]
    crop, _, path = max(ranked, key=lambda each: each[1])
    return path, crop


def most_detailed(image: Tensor, side: int = _SIDE) -> tuple[Crop, float]:
    """Finds the crop with the widest range from flat to textured parts.

    Returns:
        The crop, and the standard deviation of `texture` in it.
    """
    spread = texture(image)
    side = min(side, *spread.shape)
    pool = functools.partial(F.avg_pool2d, kernel_size=side, stride=32)
    mean, squares = pool(spread[None, None]), pool(spread.square()[None, None])
    deviation = (squares - mean.square()).clamp_min(0).sqrt()[0, 0]
    row, column = divmod(int(deviation.argmax()), deviation.shape[1])
    return Crop(column * 32, row * 32, side), float(deviation.max())


def _drawn(
    image: Tensor,
    maps: Mapping[str, Mapping[str, list[Tensor]]],
    figures: Mapping[str, list[float]],
) -> Canvas:
    """Draws the crop and the mean activation of each stage, and the contrasts below."""
    shown = {
        "DISTS, of the image": maps["dists"]["image"],
        "EA-DISTS adds edges": maps["ea-dists"]["edges"],
    }
    stages = len(maps["dists"]["image"])
    canvas = new_canvas(1.75 * (stages + 1), 6.2)
    canvas.suptitle(TITLE, fontsize=FONT + 2)
    grid = canvas.add_gridspec(3, stages + 1, height_ratios=[1, 1, 1.1])
    show_image(canvas.add_subplot(grid[0, 0]), image, "crop")
    axes = canvas.add_subplot(grid[1, 0])
    axes.imshow(texture(image).numpy(), cmap="cividis")
    bare(axes)
    axes.set_xlabel("texture of the crop", fontsize=FONT)
    for row, (name, each) in enumerate(shown.items()):
        for stage, found in enumerate(each):
            axes = canvas.add_subplot(grid[row, stage + 1])
            axes.imshow(found.mean(0).numpy(), cmap="cividis", interpolation="nearest")
            bare(axes)
            axes.set_title("" if row else f"stage {stage + 1}", fontsize=FONT)
            axes.set_ylabel("" if stage else name, fontsize=FONT)
    axes = canvas.add_subplot(grid[2, :])
    for index, (name, label) in enumerate((("dists", "DISTS"), ("ea-dists", "EA-DISTS"))):
        places = [stage + 1 + (index - 0.5) * 0.36 for stage in range(stages)]
        bars = axes.bar(places, figures[name], 0.34, color=COLOURS[index], label=label)
        axes.bar_label(bars, fmt="%.2f", fontsize=FONT - 1)
    axes.axhline(1, color="grey", lw=0.8)
    axes.set_xticks(range(1, stages + 1), [f"stage {stage + 1}" for stage in range(stages)])
    axes.set_ylabel("activation, textured / flat", fontsize=FONT)
    axes.margins(y=0.15)
    axes.legend(fontsize=FONT, frameon=False)
    return canvas
