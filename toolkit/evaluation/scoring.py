"""Scoring of images, one by one: from the cache, else by calling the metrics.

What is in the cache is neither decoded nor computed, and then torch is not even imported.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.contracts import figures
from toolkit.errors import DataError, ImageError, ToolkitError
from toolkit.evaluation.cache import ScoreCache
from toolkit.evaluation.pairing import MOST_CUT, RestoredImage
from toolkit.evaluation.scores import Scores, leave_out, refuse_without_metrics
from toolkit.interfaces import Metric
from toolkit.makers import maker_of

if TYPE_CHECKING:
    from torch import Tensor

# What third parties' metrics raise at an image that is too small or too large for them.
_FAULTS = (RuntimeError, ValueError, ArithmeticError, AssertionError, LookupError, MemoryError)


def score(
    scores: Scores,
    cache: ScoreCache | None = None,
    *,
    on_image: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Scores:
    """Fills in the figures, and the reasons for those that are missing.

    Args:
        scores: As prepared.
        cache: Knows figures already, and keeps each new one as soon as it is computed.
        on_image: Told of each image: its name, how many are done, how many there are.

    Returns:
        The same object.

    Raises:
        DataError: Not one figure could be computed.
        ToolkitError: No metric could be loaded.
    """
    for done, image in enumerate(scores.images):
        on_image(image.name, done, len(scores.images))
        try:
            scores.figures[image.name] = _score(scores, image, cache)
        except ImageError as error:
            scores.skipped.append((image.name, str(error)))
    if any(scores.figures.values()):
        for name in scores.unavailable:
            if not scores.of(name):
                scores.metrics.pop(name, None)
        return scores
    refuse_without_metrics(scores)
    reasons = [f"{name}: {reason}" for name, reason in scores.skipped]
    reasons += [f"{image}, {metric}: {reason}" for image, metric, reason in scores.missing]
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    raise DataError(
        f"Not one image could be scored ({'; '.join(reasons[:3])}{more}).",
        "Look at the files that are named.",
    )


def _score(scores: Scores, image: RestoredImage, cache: ScoreCache | None) -> dict[str, float]:
    """Computes the figures of one image.

    Raises:
        ImageError: A file that is needed cannot be read.
    """
    pixels = _Pixels(image)
    found = {}
    for name, metric in scores.metrics.items():
        key = scores.key(image, name)
        figure = cache.get(key) if cache else None
        if figure is None and name not in scores.unavailable:
            try:
                figure = _figure(metric, pixels)
            except DataError as error:
                scores.missing.append((image.name, name, str(error)))
            except ImageError:
                raise
            except ToolkitError as error:
                if not isinstance(error.__cause__, _FAULTS):
                    leave_out(scores, name, error)
                else:
                    scores.missing.append((image.name, name, str(error)))
            except _FAULTS as error:  # memory
                reason = f"it failed with {type(error).__name__}: {error}"
                scores.missing.append((image.name, name, reason))
            if figure is not None and cache:
                cache.put(key, figure)
        if figure is not None:
            found[name] = figure
    return found


def _figure(metric: Metric, pixels: _Pixels) -> float:
    """Computes one figure.

    Raises:
        DataError: The images differ in size, or the metric has no finite figure for them.
        ImageError: An image cannot be read.
        ToolkitError: The metric failed, or returned something else.
    """
    import torch

    sr, hr = pixels.sr, pixels.hr if metric.needs_reference else None
    if hr is not None:
        hr = _cut(hr, sr, pixels.image)
    with torch.inference_mode():
        figure = float(figures(metric, sr, hr).item())
    if not math.isfinite(figure):
        raise DataError(f"{maker_of(metric) or 'it'} gave {figure}, which is no figure")
    return figure


def _cut(hr: Tensor, sr: Tensor, image: RestoredImage) -> Tensor:
    """Cuts the last rows and columns of HR that an LR image has no pixel for.

    Raises:
        DataError: The images differ by more than that.
    """
    height, width = sr.shape[2:]
    spare = [own - wanted for own, wanted in zip(hr.shape[2:], (height, width), strict=True)]
    if not all(0 <= each < MOST_CUT for each in spare):
        raise DataError(
            f"{image.sr} is {width}x{height} px, but {image.hr} {hr.shape[3]}x{hr.shape[2]} px"
        )
    return hr[..., :height, :width]


class _Pixels:
    """An image and its original as `[1, 3, h, w]`, each decoded when it is first needed, once."""

    def __init__(self, image: RestoredImage) -> None:
        self.image = image

    @cached_property
    def sr(self) -> Tensor:
        return _read(self.image.sr)

    @cached_property
    def hr(self) -> Tensor | None:
        return None if self.image.hr is None else _read(self.image.hr)


def _read(path: Path) -> Tensor:
    import torch

    from toolkit.colour_profiles import read_photo

    return read_photo(path)[None].to("cuda" if torch.cuda.is_available() else "cpu")
