"""Scores of a folder of SR images: images, metrics, and figures of each image by each metric."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from toolkit import defaults
from toolkit.contracts import fingerprint
from toolkit.errors import ToolkitError, UsageError, WeightsError
from toolkit.evaluation import statistics
from toolkit.evaluation.pairing import RestoredImage, pair_images
from toolkit.interfaces import Metric
from toolkit.provenance import Made, plain, provenance
from toolkit.registry import Registry
from toolkit.specs import Selection

READING = "whole images, float32 sRGB in [0, 1], transparency on white, HR cut by less than 4 px"
"""Description of the input of a metric; a part of every key, so that a change invalidates them."""

_LOG = logging.getLogger(__name__)


@dataclass
class Scores:
    """Figures of each image, and what they depend on.

    Attributes:
        metrics: By the name they were asked for.
        selections: How each was asked for.
        images: In order.
        figures: By image and metric; a figure that could not be computed is absent.
        skipped: Images that were not scored: (name, reason).
        missing: Figures that could not be computed: (image, metric, reason).
        unavailable: Metrics that could not be loaded, and why.
        made_by: Which code each metric is: another version or digest computes anew.
    """

    metrics: dict[str, Metric]
    selections: dict[str, Selection]
    images: list[RestoredImage]
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

    def key(self, image: RestoredImage, metric: str) -> str:
        """SHA-256 of all that a figure depends on."""
        made = self.metrics[metric]
        document = {
            "reading": READING,
            "sr": image.sr_sha256,
            "hr": image.hr_sha256 if made.needs_reference else None,
            "metric": self.selections[metric].model_dump(mode="json"),
            "made_by": plain(self.made_by[metric]),
            "fingerprint": fingerprint(made),
        }
        text = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def default_metrics(registry: Registry, hr: Path | None) -> list[str]:
    """The metrics that are used by default.

    Raises:
        UsageError: There are no HR images, and no metric for that is installed.
    """
    if hr is not None:
        return list(defaults.METRICS)
    installed = {each.name for each in registry.components("metric")}
    if found := [name for name in defaults.METRICS_WITHOUT_ORIGINALS if name in installed]:
        return found
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
            leave_out(scores, name, error)
    needing = [name for name, metric in scores.metrics.items() if metric.needs_reference]
    if needing and hr is None:
        raise UsageError(f"{needing[0]} compares with HR images.", "Name their folder: --hr DIR")
    refuse_without_metrics(scores)
    scores.images, scores.skipped = pair_images(sr, hr)
    return scores


def _asked(selections: Iterable[str | Selection]) -> dict[str, Selection]:
    """Selections by name, without repetitions."""
    try:
        return {str(each): each for each in map(Selection.model_validate, selections)}
    except ValidationError as error:
        raise UsageError("A metric has no name.", "Say, for example: --metric psnr-y") from error


def refuse_without_metrics(scores: Scores) -> None:
    """Raises an error if all metrics are unavailable.

    Raises:
        ToolkitError: With the reason of each; a `WeightsError` where one of them is.
    """
    lost = scores.unavailable
    if len(lost) == len(scores.selections):
        kind = WeightsError if WeightsError in map(type, lost.values()) else ToolkitError
        reasons = "; ".join(f"{name}: {error}" for name, error in lost.items())
        hints = dict.fromkeys(error.hint for error in lost.values() if error.hint)
        raise kind(f"No metric can be loaded. {reasons}", "\n".join(hints))


def leave_out(scores: Scores, name: str, error: ToolkitError) -> None:
    """Records that a metric is unavailable; the others go on."""
    _LOG.debug("%s", error, exc_info=error)
    scores.unavailable[name] = error
