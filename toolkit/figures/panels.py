"""Panels of a visual comparison: the same crop of all systems' images, scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from toolkit.colour_profiles import read_photo
from toolkit.contracts import figures
from toolkit.errors import DataError
from toolkit.figures.crops import Crop, most_different, parse_crop
from toolkit.figures.document import file_digest
from toolkit.figures.heldout import named
from toolkit.images import bicubic_resize
from toolkit.specs import Selection

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from toolkit.figures.systems import Asked, Systems
    from toolkit.registry import Registry

SCORES = {"psnr": "psnr-y", "ssim": "ssim-y"}
"""Metrics of the panels: of brightness (BT.601), as in Table 2."""
_SHOWN = 2
"""Number of photographs that are shown if none is named."""


@dataclass(frozen=True)
class Photograph:
    """A photograph with the results of all systems.

    Attributes:
        name: Its name.
        lr: The LR image, enlarged to the size of the results, `[3, h, w]`.
        hr: The original; None where nobody has it.
        results: By label, `[3, h, w]` each.
        digests: SHA-256 of the files, by label.
        crop: The crop that is shown.
    """

    name: str
    lr: Tensor
    hr: Tensor | None
    results: Mapping[str, Tensor]
    digests: Mapping[str, str]
    crop: Crop

    @property
    def images(self) -> dict[str, Tensor]:
        """All images by label, in the order in which they are shown."""
        original = {} if self.hr is None else {"HR": self.hr}
        return {"LR": self.lr, **self.results, **original}


def enlarged(lr: Tensor, size: Sequence[int]) -> Tensor:
    """Enlarges an image, `[3, h, w]`, without new pixels: as it is seen."""
    return torch.nn.functional.interpolate(lr[None], size=tuple(size), mode="nearest")[0]


def photographs_of(systems: Systems, asked: Asked) -> list[Photograph]:
    """Returns the photographs that are shown, with their crops.

    Raises:
        UsageError: A photograph is unknown, or the crop lies outside of it.
    """
    paths = named(systems.photographs / "lr", asked.image)
    fixed = parse_crop(asked.crop)
    found = [cropped(_photograph(systems, path), fixed) for path in paths]
    if asked.image:
        return [photograph for photograph, _ in found]
    most = sorted(found, key=lambda each: (-each[1], each[0].name))[:_SHOWN]
    return [photograph for photograph, _ in most]


def cropped(photograph: Photograph, crop: Crop | None) -> tuple[Photograph, float]:
    """Sets the crop: the one given, or where the results differ most.

    Returns:
        The photograph, and how much its results differ.

    Raises:
        UsageError: The crop lies outside of the photograph.
    """
    results = [*photograph.results.values()]
    if len(results) < 2:
        results += [photograph.lr]
    side = crop.side if crop else None
    found, difference = most_different(results, side) if side else most_different(results)
    if crop:
        height, width = photograph.lr.shape[1:]
        crop.check(width, height, photograph.name)
    return replace(photograph, crop=crop or found), difference


def _photograph(systems: Systems, lr: Path) -> Photograph:
    hr = systems.photographs / "hr" / lr.name
    files = {each.label: each.measurement.images / lr.name for each in systems.found}
    results = {label: read_photo(path) for label, path in files.items()}
    size = next(iter(results.values())).shape[1:]
    original = _fitted(read_photo(hr), size) if hr.exists() else None
    files |= {"LR": lr, **({"HR": hr} if hr.exists() else {})}
    digests = {label: file_digest(path) for label, path in sorted(files.items())}
    whole = Crop(0, 0, min(size))
    return Photograph(lr.stem, enlarged(read_photo(lr), size), original, results, digests, whole)


def _fitted(hr: Tensor, size: Sequence[int]) -> Tensor:
    """Cuts the last rows and columns, for which LR has no pixel."""
    return hr[:, : size[0], : size[1]]


def same_size(results: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Enlarges smaller results to the size of the largest."""
    size: tuple[int, int] = max((each.shape[1], each.shape[2]) for each in results.values())
    return {
        label: image
        if tuple(image.shape[1:]) == size
        else bicubic_resize(image[None], size)[0].clamp(0, 1)
        for label, image in results.items()
    }


def scores_of(photograph: Photograph, registry: Registry) -> dict[str, dict[str, Any]]:
    """Scores all results, whole and within the crop; nothing without an original."""
    if photograph.hr is None:
        return {}
    metrics = {
        name: registry.make("metric", Selection(use=metric)) for name, metric in SCORES.items()
    }
    crop, hr = photograph.crop, photograph.hr
    return {
        label: {
            name: {"photograph": _score(metric, image, hr),
                   "crop": _score(metric, crop.of(image), crop.of(hr))}
            for name, metric in metrics.items()
        }
        for label, image in photograph.results.items()
    }  # fmt: skip


def _score(metric: Any, sr: Tensor, hr: Tensor) -> float | None:
    try:
        with torch.inference_mode():
            found = float(figures(metric, sr[None], hr[None]))
    except DataError:  # a crop that is too small for a window
        return None
    return round(found, 6) if abs(found) != float("inf") else None
