"""Validation during a training: scores on held-out photographs, and the best checkpoint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import torch
from torch import Tensor

from toolkit.contracts import figures, predict
from toolkit.errors import DataError, UsageError
from toolkit.files import link_atomically
from toolkit.interfaces import Metric
from toolkit.members import length
from toolkit.recipe import Recipe
from toolkit.registry import Registry
from toolkit.reporting.validation import best_point
from toolkit.runs import Run
from toolkit.specs import Selection
from toolkit.training.data import Pairs
from toolkit.training.system import System

BEST = "best.safetensors"
"""Name of the best checkpoint, beside the newest ones."""


class Validation:
    """Scores crops of held-out photographs, always the same, and keeps a record in the run.

    The record, `logs/validation.jsonl`, decides which step is the best and when to stop; nothing
    else is needed to resume.

    Args:
        recipe: Resolved.
        registry: Supplies dataset, degradation and metrics.
        run: Its folder.

    Raises:
        UsageError: There is no metric, or a component is unknown.
        DataError: No photograph is large enough, or the crops are too small for a metric.
    """

    def __init__(self, recipe: Recipe, registry: Registry, run: Run) -> None:
        plan, context = recipe.train, recipe.context(registry)
        if not plan.validate_metrics:
            raise UsageError(
                "Validation needs a metric.", "For example: --set train.validate_metrics=dists"
            )
        dataset = context.make("dataset", Selection(use=plan.validate_on))
        degradation = context.make("degradation", recipe.degradation)
        self._metrics: dict[str, Metric] = {
            name: context.make("metric", Selection(use=name)) for name in plan.validate_metrics
        }
        try:
            self._pairs = Pairs(dataset, degradation, plan.validate_crop, plan.seed)
            original = self._pairs.sample(0).hr
            self._figures(original, original)  # some metrics take no small images
        except DataError as error:
            hint = error.hint.replace("train.crop", "train.validate_crop")
            hint = hint.replace("--data ", "--set train.validate_on=")
            raise DataError(f"Validation: {error}", hint) from None
        self._every, self._patience = plan.validate_every, plan.patience
        self._first = plan.validate_metrics[0]
        self._run = run

    def due(self, step: int, last: int) -> bool:
        """Whether to score after this step: regularly, and after the last."""
        return step % self._every == 0 or step == last

    def score(self, system: System, step: int) -> dict[str, float]:
        """Scores the generator, or its average, on all ranks together, and records the means."""
        ranks, count = system.ranks, length(self._pairs.dataset)
        # As many on every rank, some perhaps twice: the ranks gather sharded weights together.
        rounds = range(ranks.rank, -(-count // ranks.size) * ranks.size, ranks.size)
        mine = [number % count for number in rounds]
        with system.average.in_place() if system.average else nullcontext():
            scores = {number: self._scores(system, number) for number in mine}
        found = {number: each for share in ranks.gather(scores) for number, each in share.items()}
        means = {
            name: sum(found[number][name] for number in sorted(found)) / len(found)
            for name in self._metrics
        }
        if ranks.first:
            known = {name: mean for name, mean in means.items() if math.isfinite(mean)}
            self._run.append_validation({"step": step, **known})
        ranks.wait()
        return means

    def _scores(self, system: System, number: int) -> dict[str, float]:
        sample = self._pairs.sample(number).to(system.device)
        with torch.no_grad():
            restored: Tensor = predict(system.generator, sample.lr).image.clamp(0, 1)
        try:
            return self._figures(restored, sample.hr)
        except DataError:  # the next step says what is not finite
            return dict.fromkeys(self._metrics, math.nan)

    def _figures(self, sr: Tensor, hr: Tensor) -> dict[str, float]:
        """Returns the scores of one image.

        Raises:
            DataError: It is too small for a metric, or has values that are not finite.
        """
        return {
            name: figures(metric, sr, hr if metric.needs_reference else None).item()
            for name, metric in self._metrics.items()
        }

    def is_best(self, step: int) -> bool:
        """Whether no earlier step was better by the first metric."""
        return self.best_step() == step

    def best_step(self) -> int | None:
        """The first of the best steps by the first metric; None before the first validation."""
        best = best_point(list(self._records()), self._metrics[self._first].direction)
        return best[0] if best else None

    def exhausted(self) -> bool:
        """Whether the last `train.patience` validations brought no improvement."""
        steps = [step for step, _ in self._records()]
        best = self.best_step()
        return bool(
            self._patience and best and len([s for s in steps if s > best]) >= self._patience
        )

    def keep_best(self, checkpoint: Path) -> None:
        """Keeps a checkpoint as the best."""
        link_atomically(checkpoint, self._run.checkpoints / BEST)

    def _records(self) -> Iterator[tuple[int, float]]:
        for step, means in self._run.read_validation():
            if self._first in means:
                yield step, means[self._first]
