"""Latents of real and generated crops, and the features that a discriminator has of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from toolkit.abilities import HasTrunkFeatures
from toolkit.checkpoints import checkpoints, load_part, read_metadata
from toolkit.colour_profiles import read_photo
from toolkit.contracts import encode, predict
from toolkit.errors import CheckpointError, UsageError
from toolkit.image_files import find_images
from toolkit.members import load_state
from toolkit.runs import Run, load_generator, run_named
from toolkit.streams import torch_stream
from toolkit.training.build import build_system

if TYPE_CHECKING:
    from torch import Tensor

    from toolkit.registry import Registry

CROP = 128
"""Side of the crops of HR, in pixels."""
_EACH = 8
"""Crops of a photograph, at most."""
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Samples:
    """Features of real and generated crops at one timestep of the noise.

    Attributes:
        features: Means over the regions of a crop, `[n, width]`.
        real: Which are of real crops, `[n]`.
        photograph: The number of the photograph of each, `[n]`.
    """

    features: Array
    real: Array
    photograph: Array


def check_run(run: Run, registry: Registry) -> None:
    """Checks that a run has what Figure 3 needs.

    Raises:
        UsageError: It has no discriminator with a trunk.
        CheckpointError: It has no checkpoint with the discriminator's weights.
    """
    recipe = run.recipe()
    again = "Train one that has: toolkit train --disc nad --out runs/nad"
    if recipe.disc.name == "none":
        raise UsageError(f"{run.folder} was trained without a discriminator.", again)
    if "discriminator" not in read_metadata(run.latest()).get("parts", ""):
        raise CheckpointError(
            f"{run.latest()} does not hold the discriminator's weights.",
            again,
        )
    judge = recipe.context(registry, read_weights=False).make("discriminator", recipe.disc)
    if not isinstance(judge, HasTrunkFeatures):
        raise UsageError(
            f"The discriminator {recipe.disc.name!r} of {run.folder} has no trunk that shows its "
            "features.",
            again,
        )


def kept_steps(run: Run) -> list[tuple[int, Path | None]]:
    """Returns the start of a training, and each step whose checkpoint is kept."""
    found = [(int(path.stem.removeprefix("step-")), path) for path in checkpoints(run.checkpoints)]
    return [(0, None), *found]


def samples_at(
    run: Run,
    checkpoint: Path | None,
    timesteps: Sequence[int],
    photographs: Path,
    registry: Registry,
) -> dict[int, Samples]:
    """Computes features with the networks of one moment of a training.

    Args:
        run: The run.
        checkpoint: Its checkpoint; None for the start of the training.
        timesteps: Noise levels at which the trunk sees the latents.
        photographs: Folder with `hr/` and `lr/`.
        registry: Supplies the components.
    """
    generator, judge = _networks(run, checkpoint, registry)
    real, fake, numbers = [], [], []
    with torch.inference_mode():
        for number, path in enumerate(find_images(photographs / "lr")):
            hr, lr = read_photo(photographs / "hr" / path.name), read_photo(path)
            for top, left in _places(hr):
                high = hr[None, :, top : top + CROP, left : left + CROP]
                scale = generator.scale
                low = lr[None, :, top // scale :, left // scale :]
                low = low[..., : CROP // scale, : CROP // scale]
                predicted = predict(generator, low).latent
                fake.append(predicted)
                real.append(encode(generator, high, list(predicted.shape)))
                numbers.append(number)
        return {t: _samples(judge, real, fake, numbers, t) for t in timesteps}


def _networks(run: Run, checkpoint: Path | None, registry: Registry) -> tuple[Any, Any]:
    recipe = run.recipe()
    on_cpu = recipe.train.model_copy(update={"device": "cpu", "precision": "float32"})
    system = build_system(recipe.model_copy(update={"train": on_cpu}), registry)
    if checkpoint:
        load_generator(system.generator, checkpoint)
        load_state(system.discriminator, load_part(checkpoint, "discriminator"))
    elif recipe.train.start:
        load_generator(system.generator, run_named(recipe.train.start, registry).latest())
    return system.generator, system.discriminator


def _places(hr: Tensor) -> list[tuple[int, int]]:
    """Corners of crops, evenly over the photograph, on the grid of LR's pixels."""
    height, width = hr.shape[1:]
    rows, columns = max(1, height // CROP), max(1, width // CROP)
    every = [(row * CROP, column * CROP) for row in range(rows) for column in range(columns)]
    chosen = np.linspace(0, len(every) - 1, min(_EACH, len(every))).round().astype(int)
    return [every[index] for index in chosen]


def _samples(
    judge: Any, real: Sequence[Tensor], fake: Sequence[Tensor], numbers: Sequence[int], t: int
) -> Samples:
    """Real and generated crops get noise of their own, as in training."""
    pooled = []
    for name, latents in (("real", real), ("fake", fake)):
        rng = torch_stream(0, f"figure {name}", t)
        pooled += [judge.trunk_features(each, t, rng).mean((2, 3))[0] for each in latents]
    is_real = np.repeat([1, 0], len(numbers))
    features = torch.stack(pooled).double().numpy()
    return Samples(features, is_real, np.array([*numbers, *numbers]))
