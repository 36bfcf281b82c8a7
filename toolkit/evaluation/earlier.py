"""Comparison of scores with an earlier evaluation."""

from __future__ import annotations

from pathlib import Path

from toolkit.errors import UsageError
from toolkit.evaluation.comparison import Comparison, PairedFigures, compare
from toolkit.evaluation.document import Evaluation
from toolkit.evaluation.scores import Scores


def refuse_unlike(scores: Scores, earlier: Evaluation, path: Path) -> None:
    """Refuses a comparison of what was not measured alike, on the same originals.

    Raises:
        UsageError: No metric or no image is in both; a metric's fingerprint or direction differs;
            or an image has another original.
    """
    shared = [name for name in scores.metrics if name in earlier.metrics]
    if not shared:
        has = ", ".join(earlier.metrics)
        raise UsageError(
            f"{path} has none of the metrics that were asked for; it has {has}.",
            "Name one of them with --metric, or leave --metric out",
        )
    for name in shared:
        _refuse_other_protocol(name, scores, earlier, path)
    images = earlier.by_name
    known = [image for image in scores.images if image.name in images]
    if not known:
        raise UsageError(
            f"{path} has no image of the name of one of these.", "Score the same images in both."
        )
    if any(scores.metrics[name].needs_reference for name in shared):
        for image in known:
            if image.hr_sha256 != images[image.name].hr_sha256:
                raise UsageError(
                    f"The original of {image.name} is {image.hr} here, but another file in {path}.",
                    "Score both systems against the same HR images.",
                )


def _refuse_other_protocol(name: str, scores: Scores, earlier: Evaluation, path: Path) -> None:
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


def compare_with(scores: Scores, earlier: Evaluation, path: Path) -> Comparison:
    """Compares by the images that have a figure in both.

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
            paired[metric] = PairedFigures(scores.metrics[metric].direction, here, there)
    if not paired:
        raise UsageError(
            f"No image has a figure both here and in {path}.", "Score the same images in both."
        )
    only_there = len(images.keys() - scores.figures.keys())
    return Comparison(
        path, compare(paired), len(shared), len(scores.figures) - len(shared), only_there
    )
