"""Scores of a folder of SR images, against a folder of HR images of the same names.

What is in the cache is neither decoded nor computed, and then torch is not even imported.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from toolkit.bench import statistics
from toolkit.bench.cache import ScoreCache
from toolkit.bench.pairs import MOST_CUT, Pair, find_pairs
from toolkit.contracts import figures, fingerprint
from toolkit.errors import DataError, ImageError, ToolkitError, UsageError, WeightsError
from toolkit.interfaces import Metric
from toolkit.provenance import Made, plain, provenance
from toolkit.registry import Registry
from toolkit.specs import Selection

if TYPE_CHECKING:
    from torch import Tensor

READING = "whole images, float32 sRGB in [0, 1], transparency on white, HR cut by less than 4 px"
"""What a metric is given. A change of it must change this text, as it is part of every key."""

_LOG = logging.getLogger(__name__)
# What third parties' metrics raise at an image that is too small or too large for them.
_FAULTS = (RuntimeError, ValueError, ArithmeticError, AssertionError, LookupError, MemoryError)


@dataclass
class Scores:
    """Figures of each image, and what they depend on.

    Attributes:
        metrics: By the name they were asked for.
        selections: How each was asked for.
        pairs: The images, in order.
        figures: By image and metric; a figure that could not be computed is absent.
        skipped: Images that were not scored: (name, reason).
        missing: Figures that could not be computed: (image, metric, reason).
        unavailable: Metrics that could not be loaded, and why.
        made_by: Which code each metric is: another version or digest computes anew.
    """

    metrics: dict[str, Metric]
    selections: dict[str, Selection]
    pairs: list[Pair]
    figures: dict[str, dict[str, float]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str, str]] = field(default_factory=list)
    unavailable: dict[str, ToolkitError] = field(default_factory=dict)
    made_by: dict[str, dict[str, Made]] = field(default_factory=dict)

    def of(self, metric: str) -> list[float]:
        """A metric's figures, of the images that have one."""
        return [found[metric] for found in self.figures.values() if metric in found]

    def mean(self, metric: str) -> float | None:
        """Mean over all images that have a figure."""
        found = self.of(metric)
        return statistics.mean(found) if found else None

    def interval(self, metric: str) -> statistics.Interval | None:
        """Bootstrap interval of the mean."""
        return statistics.bootstrap_interval(self.of(metric))

    def key(self, pair: Pair, metric: str) -> str:
        """What a figure depends on, as one SHA-256."""
        made = self.metrics[metric]
        document = {
            "reading": READING,
            "sr": pair.sr_sha256,
            "hr": pair.hr_sha256 if made.needs_reference else None,
            "metric": self.selections[metric].model_dump(mode="json"),
            "made_by": plain(self.made_by[metric]),
            "fingerprint": fingerprint(made),
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def default_metrics(registry: Registry, hr: Path | None) -> list[str]:
    """What is measured where nothing else is said.

    Raises:
        UsageError: There are no HR images, and no metric for that is installed.
    """
    if hr is not None:
        return ["psnr-y", "ssim-y", "dists"]
    if any(each.name == "niqe" for each in registry.components("metric")):
        return ["niqe"]
    raise UsageError(
        "Without HR images there is nothing to compare with.",
        "Name their folder, --hr DIR, or a metric that needs none, --metric NAME",
    )


def prepare(
    sr: Path, hr: Path | None, selections: Iterable[str | Selection], registry: Registry
) -> Scores:
    """Makes the metrics, pairs the images and hashes their files; scores nothing yet.

    Raises:
        UsageError: A metric is unknown, or needs HR images and there are none.
        DataError: The folders hold no pair of equal names.
        ToolkitError: No metric can be loaded.
    """
    scores = Scores({}, _asked(selections), [])
    for name, selection in scores.selections.items():
        try:
            made: Metric = registry.make("metric", selection)
            fingerprint(made)
            scores.made_by[name] = provenance(registry, [("metric", selection)])
            scores.metrics[name] = made
        except UsageError:
            raise
        except ToolkitError as error:
            _leave_out(scores, name, error)
    needing = [name for name, metric in scores.metrics.items() if metric.needs_reference]
    if needing and hr is None:
        raise UsageError(f"{needing[0]} compares with HR images.", "Name their folder: --hr DIR")
    _refuse_without_metrics(scores)
    scores.pairs, scores.skipped = find_pairs(sr, hr)
    return scores


def _asked(selections: Iterable[str | Selection]) -> dict[str, Selection]:
    """By name; what is asked for twice counts once."""
    try:
        return {str(each): each for each in map(Selection.model_validate, selections)}
    except ValidationError as error:
        raise UsageError("A metric has no name.", "Say, for example: --metric psnr-y") from error


def score(
    scores: Scores,
    cache: ScoreCache | None = None,
    *,
    on_image: Callable[[str, int, int], None] = lambda _name, _done, _total: None,
) -> Scores:
    """Fills in the figures, and what stood in the way of the others.

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
    for done, pair in enumerate(scores.pairs):
        on_image(pair.name, done, len(scores.pairs))
        try:
            scores.figures[pair.name] = _score(scores, pair, cache)
        except ImageError as error:
            scores.skipped.append((pair.name, str(error)))
    if any(scores.figures.values()):
        for name in scores.unavailable:
            if not scores.of(name):
                scores.metrics.pop(name, None)
        return scores
    _refuse_without_metrics(scores)
    reasons = [f"{name}: {reason}" for name, reason in scores.skipped]
    reasons += [f"{image}, {metric}: {reason}" for image, metric, reason in scores.missing]
    more = f"; and {len(reasons) - 3} more" if len(reasons) > 3 else ""
    raise DataError(
        f"Not one image could be scored ({'; '.join(reasons[:3])}{more}).",
        "Look at the files that are named.",
    )


def _refuse_without_metrics(scores: Scores) -> None:
    lost = scores.unavailable
    if len(lost) == len(scores.selections):
        kind = WeightsError if WeightsError in map(type, lost.values()) else ToolkitError
        reasons = "; ".join(f"{name}: {error}" for name, error in lost.items())
        hints = dict.fromkeys(error.hint for error in lost.values() if error.hint)
        raise kind(f"No metric can be loaded. {reasons}", "\n".join(hints))


def _score(scores: Scores, pair: Pair, cache: ScoreCache | None) -> dict[str, float]:
    """One image's figures.

    Raises:
        ImageError: A file that is needed cannot be read.
    """
    images = _Images(pair)
    found = {}
    for name, metric in scores.metrics.items():
        key = scores.key(pair, name)
        figure = cache.get(key) if cache else None
        if figure is None and name not in scores.unavailable:
            try:
                figure = _figure(metric, images)
            except DataError as error:
                scores.missing.append((pair.name, name, str(error)))
            except ImageError:
                raise
            except ToolkitError as error:
                if not isinstance(error.__cause__, _FAULTS):
                    _leave_out(scores, name, error)
                else:
                    scores.missing.append((pair.name, name, str(error)))
            except _FAULTS as error:  # memory
                reason = f"it failed with {type(error).__name__}: {error}"
                scores.missing.append((pair.name, name, reason))
            if figure is not None and cache:
                cache.put(key, figure)
        if figure is not None:
            found[name] = figure
    return found


def _figure(metric: Metric, images: _Images) -> float:
    """Calls the metric.

    Raises:
        DataError: The images differ in size, or the metric has no finite figure for them.
        ImageError: An image cannot be read.
        ToolkitError: The metric failed, or returned something else.
    """
    import torch

    sr, hr = images.sr, images.hr if metric.needs_reference else None
    if hr is not None:
        hr = _cut(hr, sr, images.pair)
    with torch.inference_mode():
        figure = float(figures(metric, sr, hr).item())
    if not math.isfinite(figure):
        raise DataError(f"it gave {figure}, which is no figure")
    return figure


def _cut(hr: Tensor, sr: Tensor, pair: Pair) -> Tensor:
    """HR without the last rows and columns that an LR image has no pixel for.

    Raises:
        DataError: The images differ by more than that.
    """
    height, width = sr.shape[2:]
    spare = [own - wanted for own, wanted in zip(hr.shape[2:], (height, width), strict=True)]
    if not all(0 <= each < MOST_CUT for each in spare):
        raise DataError(
            f"{pair.sr} is {width}x{height} px, but {pair.hr} {hr.shape[3]}x{hr.shape[2]} px"
        )
    return hr[..., :height, :width]


class _Images:
    """A pair as `[1, 3, h, w]`, each decoded when it is first needed, once."""

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    @cached_property
    def sr(self) -> Tensor:
        return _read(self.pair.sr)

    @cached_property
    def hr(self) -> Tensor | None:
        return None if self.pair.hr is None else _read(self.pair.hr)


def _read(path: Path) -> Tensor:
    import torch

    from toolkit.colour_profiles import read_photo

    return read_photo(path)[None].to("cuda" if torch.cuda.is_available() else "cpu")


def _leave_out(scores: Scores, name: str, error: ToolkitError) -> None:
    """One metric's fault stops no other."""
    _LOG.debug("%s", error, exc_info=error)
    scores.unavailable[name] = error
