"""The document of an evaluation, which `toolkit eval --format json` writes; and lines for CSV."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.errors import DataError
from toolkit.evaluation.comparison import Comparison, Difference, Direction
from toolkit.evaluation.scores import READING, Scores
from toolkit.evaluation.statistics import LEVEL, RESAMPLES, SEED, Interval
from toolkit.provenance import Made

Row = list[str | float | None]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Record(BaseModel):
    """A part of the document; fields that a comparison does not need have defaults."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        extra="ignore", frozen=True, validate_by_name=True, validate_by_alias=True
    )


class Method(_Record):
    """The way in which all figures were computed, in words.

    Attributes:
        images: Preparation of the images.
        interval: Method of the intervals.
        seed: Seed of their resamples.
    """

    images: str
    interval: str
    seed: int


class MetricSummary(_Record):
    """A metric over all images, and how it was measured.

    Attributes:
        mean: Mean over the images that have a score; None if none has.
        interval: Low and high end of the 95 % interval of the mean; None for a single image.
        count: Number of images with a score.
        direction: Which scores are better.
        needs_reference: Whether it needs the HR images.
        fingerprint: All that scores depend on.
        made_by: The code that computed it, by distribution.
    """

    mean: float | None = None
    interval: Interval | None = None
    count: int = 0
    direction: Direction
    needs_reference: bool
    fingerprint: dict[str, str]
    made_by: dict[str, Made] = Field(default_factory=dict)


class ImageScores(_Record):
    """One image's figures, and the digests of its file and its original's.

    Attributes:
        name: Name without suffix.
        sr_sha256: SHA-256 of the restored file.
        hr_sha256: SHA-256 of the original; None without one.
        note: What was done to compare them, such as cropping the original.
        scores: Scores by metric; None if one is missing.
    """

    name: str
    sr_sha256: str = ""
    hr_sha256: str | None = None
    note: str = ""
    scores: dict[str, _Finite | None]


class SkippedImage(_Record):
    """An image that was not scored."""

    name: str
    reason: str


class MissingFigure(_Record):
    """A figure that could not be computed."""

    name: str
    metric: str
    reason: str


class UnavailableMetric(_Record):
    """A metric that could not be loaded."""

    metric: str
    reason: str
    hint: str


class ImageCounts(_Record):
    """Numbers of images that two evaluations share, or that one has alone."""

    shared: int
    only_here: int
    only_there: int


class Against(_Record):
    """A comparison with an earlier evaluation.

    Attributes:
        file: The earlier document.
        images: Numbers of images that both have, and that one has alone.
        metrics: Differences by metric.
    """

    file: str
    images: ImageCounts
    metrics: dict[str, Difference]


class Evaluation(_Record):
    """The whole document.

    Attributes:
        method: Preparation of the images, and method of the intervals.
        metrics: Results by metric.
        images: Results by image, in the order of their names.
        skipped: Images that cannot be read or have no partner.
        missing: Scores that could not be computed.
        unavailable: Metrics that could not be loaded.
        environment: Versions of Python and the toolkit, and the platform.
        against: The comparison of `--against`; absent without one.
    """

    method: Method | None = Field(default=None, alias="protocol")
    metrics: dict[str, MetricSummary]
    images: list[ImageScores]
    skipped: list[SkippedImage] = Field(default_factory=list)
    missing: list[MissingFigure] = Field(default_factory=list)
    unavailable: list[UnavailableMetric] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    against: Against | None = None

    @property
    def by_name(self) -> dict[str, ImageScores]:
        """Images by name."""
        return {image.name: image for image in self.images}


def environment() -> dict[str, str]:
    """The versions that every figure may depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "toolkit": version("restoration-toolkit"),
    }


def evaluation_of(scores: Scores, comparison: Comparison | None = None) -> Evaluation:
    """Makes the document; all numbers are finite, and what is unknown is None."""
    return Evaluation(
        method=Method(
            images=READING,
            interval=f"{LEVEL:.0%} of the mean, BCa bootstrap of {RESAMPLES} resamples",
            seed=SEED,
        ),
        metrics={name: _summary(scores, name) for name in scores.metrics},
        images=[
            ImageScores(
                name=image.name,
                sr_sha256=image.sr_sha256,
                hr_sha256=image.hr_sha256,
                note=image.note,
                scores={name: scores.figures[image.name].get(name) for name in scores.metrics},
            )
            for image in scores.images
            if image.name in scores.figures
        ],
        skipped=[SkippedImage(name=name, reason=reason) for name, reason in scores.skipped],
        missing=[
            MissingFigure(name=image, metric=metric, reason=reason)
            for image, metric, reason in scores.missing
        ],
        unavailable=[
            UnavailableMetric(metric=name, reason=str(error), hint=error.hint)
            for name, error in scores.unavailable.items()
        ],
        environment=environment(),
        against=None if comparison is None else _against(comparison),
    )


def document(scores: Scores, comparison: Comparison | None = None) -> dict[str, Any]:
    """Makes the document as plain values, to be written as JSON."""
    made = evaluation_of(scores, comparison)
    without = {"against"} if made.against is None else set[str]()
    return made.model_dump(mode="json", by_alias=True, exclude=without)


def read_evaluation(path: Path) -> Evaluation:
    """Reads a document that `toolkit eval --format json` wrote.

    Raises:
        DataError: The file is missing, torn, or another document.
    """
    hint = "Write one: toolkit eval --sr DIR --hr DIR --format json > FILE.json"
    try:
        found = Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", hint) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        fault = f"{place}: {first['msg']}" if place else first["msg"]
        raise DataError(
            f"{path} is not what `toolkit eval --format json` writes ({fault}).", hint
        ) from None
    if not found.metrics:
        raise DataError(f"{path} holds no metric.", hint)
    return found


def _summary(scores: Scores, name: str) -> MetricSummary:
    metric = scores.metrics[name]
    return MetricSummary(
        mean=scores.mean(name),
        interval=scores.interval(name),
        count=len(scores.of(name)),
        direction=metric.direction,
        needs_reference=metric.needs_reference,
        fingerprint=dict(metric.fingerprint),
        made_by=scores.made_by[name],
    )


def _against(comparison: Comparison) -> Against:
    counts = ImageCounts(
        shared=comparison.shared,
        only_here=comparison.only_here,
        only_there=comparison.only_there,
    )
    return Against(file=str(comparison.path), images=counts, metrics=comparison.differences)


def image_rows(scores: Scores) -> list[Row]:
    """A header, a row an image, and three more: `mean`, `mean_low` and `mean_high`."""
    names = list(scores.metrics)
    intervals = [scores.interval(name) or (None, None) for name in names]
    return [
        ["name", *names],
        *([image, *map(figures.get, names)] for image, figures in scores.figures.items()),
        ["mean", *map(scores.mean, names)],
        ["mean_low", *(low for low, _ in intervals)],
        ["mean_high", *(high for _, high in intervals)],
    ]


def comparison_rows(comparison: Comparison) -> list[Row]:
    """A header, and a row a metric."""
    rows: list[Row] = [
        ["metric", "direction", "count", "here", "there", "difference", "difference_low",
         "difference_high", "level", "p", "p_corrected", "verdict"]
    ]  # fmt: skip
    for name, each in comparison.differences.items():
        rows.append(
            [name, each.direction, each.count, each.here, each.there, each.difference,
             *(each.interval or (None, None)), each.level, each.p, each.p_corrected, each.verdict]
        )  # fmt: skip
    return rows
