"""Scores of a folder of SR images, against a folder of HR images of the same names."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from toolkit.errors import DataError, ImageError, UsageError
from toolkit.images import find_images, read_rgb
from toolkit.interfaces import Metric
from toolkit.registry import Registry
from toolkit.specs import Selection


@dataclass(frozen=True)
class Scores:
    """Figures of each image, and what they depend on.

    Attributes:
        metrics: By the name they were asked for.
        images: Name of each image, with its figures by metric.
        skipped: Images that could not be scored: (name, reason).
    """

    metrics: dict[str, Metric]
    images: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    def mean(self, metric: str) -> float:
        """Mean over all images."""
        return math.fsum(figures[metric] for figures in self.images.values()) / len(self.images)


def score_folder(
    sr: Path,
    hr: Path | None,
    names: Sequence[str],
    registry: Registry,
    *,
    on_image: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Scores:
    """Scores every image of `sr`; an image that cannot be read is set aside.

    Args:
        sr: Folder of restored images.
        hr: Folder of the images that they should be; none for metrics that need none.
        names: Metrics, as specs.
        registry: Supplies them.
        on_image: Told of each image: its name, how many are done, how many there are.

    Raises:
        UsageError: A metric needs HR images and there are none.
        DataError: The folders hold no pair of equal names, or none can be scored.
    """
    scores = Scores({name: registry.make("metric", Selection(use=name)) for name in names})
    needing = [name for name, metric in scores.metrics.items() if metric.needs_reference]
    if needing and hr is None:
        raise UsageError(f"{needing[0]} compares with HR images.", "Name their folder: --hr DIR")
    pairs = pair_by_name(sr, hr, scores.skipped)
    for done, (name, sr_path, hr_path) in enumerate(pairs):
        on_image(name, done, len(pairs))
        try:
            scores.images[name] = _score(scores.metrics, sr_path, hr_path)
        except (ImageError, DataError) as error:
            scores.skipped.append((name, str(error)))
    if not scores.images:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in scores.skipped[:3])
        raise DataError(f"No image of {sr} could be scored ({reasons}).")
    return scores


def pair_by_name(
    sr: Path, hr: Path | None, unpaired: list[tuple[str, str]]
) -> list[tuple[str, Path, Path | None]]:
    """(name, SR file, HR file) of each image; the suffix does not matter, nor a `_x4` at its end.

    Raises:
        DataError: A folder does not exist, or nothing is left to compare.
    """
    restored = _by_name(sr)
    if hr is None:
        return [(name, path, None) for name, path in restored.items()]
    originals = _by_name(hr)
    unpaired += [(name, f"has no counterpart in {hr}") for name in restored.keys() - originals]
    pairs = [(n, path, originals[n]) for n, path in restored.items() if n in originals]
    if not pairs:
        raise DataError(
            f"No image of {sr} has the name of an image of {hr}.",
            "Files are paired by their names without suffix.",
        )
    return list(pairs)


def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.", "Name a folder of images.")
    found: dict[str, Path] = {}
    for path in find_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix().removesuffix("_x4")
        if name in found:
            raise DataError(f"{path} and {found[name]} have the same name.", "Keep one of them.")
        found[name] = path
    if not found:
        raise DataError(f"There is no image in {folder}.", "Subfolders are searched too.")
    return found


@torch.inference_mode()
def _score(metrics: dict[str, Metric], sr_path: Path, hr_path: Path | None) -> dict[str, float]:
    sr = read_rgb(sr_path)[None]
    hr = None if hr_path is None else read_rgb(hr_path)[None]
    if hr is not None and sr.shape != hr.shape:
        raise DataError(
            f"{sr_path.name} is {sr.shape[3]}x{sr.shape[2]} px, its HR image "
            f"{hr.shape[3]}x{hr.shape[2]} px"
        )
    return {name: metric(sr, hr).item() for name, metric in metrics.items()}
