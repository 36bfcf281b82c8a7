"""An earlier evaluation, as `toolkit eval --format json` wrote it, and comparing with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolkit.bench.comparison import Difference, Paired, compare
from toolkit.bench.scores import Scores
from toolkit.errors import DataError, UsageError

_Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Record(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True)


class RecordedMetric(_Record):
    """How a metric was measured."""

    direction: Literal["higher", "lower"]
    fingerprint: dict[str, str]
    needs_reference: bool


class RecordedImage(_Record):
    """One image's figures, and its original."""

    name: str
    hr_sha256: str | None = None
    scores: dict[str, _Finite | None]


class Earlier(_Record):
    """The parts of the document that a comparison needs."""

    metrics: dict[str, RecordedMetric]
    images: list[RecordedImage]

    @property
    def by_name(self) -> dict[str, RecordedImage]:
        """Images by name."""
        return {image.name: image for image in self.images}


@dataclass(frozen=True)
class Comparison:
    """What came of a comparison.

    Attributes:
        path: The earlier document.
        differences: By metric, of those that both have.
        shared: Images in both.
        only_here: Images that the earlier one lacks.
        only_there: Images that it alone has.
    """

    path: Path
    differences: dict[str, Difference]
    shared: int
    only_here: int
    only_there: int


def read_earlier(path: Path) -> Earlier:
    """Reads the document.

    Raises:
        DataError: The file is missing, torn, or another document.
    """
    hint = "Write one: toolkit eval --sr DIR --hr DIR --format json > FILE.json"
    try:
        earlier = Earlier.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror}.", hint) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        fault = f"{place}: {first['msg']}" if place else first["msg"]
        raise DataError(
            f"{path} is not what `toolkit eval --format json` writes ({fault}).", hint
        ) from None
    if not earlier.metrics:
        raise DataError(f"{path} holds no metric.", hint)
    return earlier


def refuse_unlike(scores: Scores, earlier: Earlier, path: Path) -> None:
    """Compares only what was measured alike, on the same originals.

    Raises:
        UsageError: No metric or no image is in both; a metric's fingerprint or direction differs;
            or an image has another original.
    """
    shared = [name for name in scores.metrics if name in earlier.metrics]
    if not shared:
        known = ", ".join(earlier.metrics)
        raise UsageError(
            f"{path} has none of the metrics that were asked for; it has {known}.",
            "Name one of them with --metric, or leave --metric out",
        )
    for name in shared:
        _refuse_other_protocol(name, scores, earlier, path)
    images = earlier.by_name
    pairs = [pair for pair in scores.pairs if pair.name in images]
    if not pairs:
        raise UsageError(
            f"{path} has no image of the name of one of these.", "Score the same images in both."
        )
    if any(scores.metrics[name].needs_reference for name in shared):
        for pair in pairs:
            if pair.hr_sha256 != images[pair.name].hr_sha256:
                raise UsageError(
                    f"The original of {pair.name} is {pair.hr} here, but another file in {path}.",
                    "Score both systems against the same HR images.",
                )


def _refuse_other_protocol(name: str, scores: Scores, earlier: Earlier, path: Path) -> None:
    here, there = dict(scores.metrics[name].fingerprint), earlier.metrics[name].fingerprint
    here |= {"direction": scores.metrics[name].direction}
    there = there | {"direction": earlier.metrics[name].direction}
    unlike = [
        f"  {key}: {here.get(key, 'absent')} here, {there.get(key, 'absent')} there"
        for key in sorted(here.keys() | there.keys())
        if here.get(key) != there.get(key)
    ]
    if unlike:
        raise UsageError(
            f"{name} was not measured in the same way in {path}:\n" + "\n".join(unlike),
            "Score both systems with the same versions, then compare.",
        )


def compare_with(scores: Scores, earlier: Earlier, path: Path) -> Comparison:
    """Compares, on the images that have a figure in both.

    Raises:
        UsageError: There is no such figure.
    """
    images = earlier.by_name
    shared = [name for name in scores.figures if name in images]
    paired = {}
    for metric in scores.metrics:
        if metric not in earlier.metrics:
            continue
        here, there = [], []
        for name in shared:
            old = images[name].scores.get(metric)
            if old is not None and metric in scores.figures[name]:
                here.append(scores.figures[name][metric])
                there.append(old)
        if here:
            paired[metric] = Paired(scores.metrics[metric].direction, here, there)
    if not paired:
        raise UsageError(
            f"No image has a figure both here and in {path}.", "Score the same images in both."
        )
    only_there = len(images.keys() - scores.figures.keys())
    return Comparison(
        path, compare(paired), len(shared), len(scores.figures) - len(shared), only_there
    )
