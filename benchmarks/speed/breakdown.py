"""Where the time of our training step goes: data, degradation, generator, losses, discriminator."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor

from toolkit.discovery import installed
from toolkit.recipe import Recipe
from toolkit.training.build import build_system
from toolkit.training.data import Pairs
from toolkit.training.step import train_step

Seconds = dict[str, float]


class Clock:
    """Adds time to one stage at a time.

    A stage's forward passes are its function's calls. Its backward pass begins when the gradient
    of its output is complete, and ends where that of another begins.
    """

    def __init__(self, device: torch.device) -> None:
        self.seconds: Seconds = {}
        self._cuda = device.type == "cuda"
        self._stage, self._since = "other", time.perf_counter()

    def switch(self, stage: str) -> str:
        """Goes on in another stage; returns the last."""
        if self._cuda:
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self._stage] = self.seconds.get(self._stage, 0.0) + now - self._since
        last, self._stage, self._since = self._stage, stage, now
        return last

    def times(self, owner: Any, name: str, stage: str) -> None:
        """Counts calls of a method, and their backward passes, as a stage."""
        original = getattr(owner, name)

        def timed(*args: Any, **options: Any) -> Any:
            before = self.switch(stage)
            out = original(*args, **options)
            for tensor in out if isinstance(out, tuple) else (out,):
                if isinstance(tensor, Tensor) and tensor.requires_grad:
                    tensor.register_hook(lambda _gradient: self.switch(stage) and None)
            self.switch(before)
            return out

        setattr(owner, name, timed)


class TimedLoss:
    """A loss that is timed when it is called."""

    def __init__(self, loss: Any, clock: Clock) -> None:
        self.autocast = getattr(loss, "autocast", False)
        self.distance = loss.__call__
        clock.times(self, "distance", "losses")

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The distance of each image."""
        distance: Tensor = self.distance(prediction, target)
        return distance

    def to(self, _device: torch.device) -> TimedLoss:
        """Does nothing."""
        return self


def of_step(recipe: Recipe, steps: int) -> Seconds:
    """Mean seconds of each stage of a training step, with its data."""
    system = build_system(recipe, installed())
    clock = Clock(system.device)
    context = recipe.context(installed())
    degradation = context.make("degradation", recipe.degradation)
    clock.times(degradation, "batch", "degradation")
    crop, seed = recipe.train.crop, recipe.train.seed
    pairs = Pairs(context.make("dataset", recipe.data), degradation, crop, seed)
    clock.times(pairs, "batch", "data")
    clock.times(system.generator, "encode", "generator: encoding")
    clock.times(system.generator, "noise", "generator: UNet")
    clock.times(system.generator, "decode", "generator: decoding")
    for name, term in system.losses.items():
        system.losses[name] = term._replace(loss=TimedLoss(term.loss, clock))
    clock.times(system.discriminator, "logits", "discriminator in the generator's step")
    clock.times(system.discriminator, "logits_of_both", "its own step")
    for part, learner in system.learners.items():
        clock.times(learner.optimizer, "step", f"optimiser of the {part}")
    for number in range(steps + 1):
        if number == 1:  # the first one fills caches
            clock.switch("other")
            clock.seconds.clear()
        train_step(system, pairs.batch(number, recipe.train.batch), number)
    clock.switch("other")
    return {stage: seconds / steps for stage, seconds in clock.seconds.items()}


def as_lines(seconds: Seconds) -> str:
    """Seconds and shares, the largest first."""
    total = sum(seconds.values())
    lines = [f"Our step with its data: {total:.3f} s"]
    for stage, each in sorted(seconds.items(), key=lambda item: -item[1]):
        lines.append(f"  {stage:40} {each:8.3f} s {100 * each / total:5.1f} %")
    return "\n".join(lines)
