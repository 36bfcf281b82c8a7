"""Draws histories and applies them to images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.plugin import DataError, stream
from toolkit_degradations.history import Codec, History, Resize, Step, read_history, to_data
from toolkit_degradations.operations import OPERATIONS, Settings, sharpen
from toolkit_degradations.parallel import map_single_threaded

Draw = Callable[[np.random.Generator], History]
"""Draws a history, independently of the image."""


class Pipeline:
    """Draws a history for each image, applies it, and rounds LR to 8-bit levels.

    Args:
        draw: Draws a history that ends at the LR size.
        scale: HR pixels per LR pixel, on a side.
        codec: JPEG implementation.
        sharpen_target: Whether to train against sharpened HR.
    """

    def __init__(
        self, draw: Draw, *, scale: int, codec: Codec = "auto", sharpen_target: bool = False
    ) -> None:
        self.draw = draw
        self.scale = scale
        self._codec: Codec = codec
        self._sharpen_target = sharpen_target

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> Tensor:
        """Degrades `hr`, `[3, h, w]` in [0, 1], to `[3, h/scale, w/scale]`, multiples of 1/255.

        Raises:
            DataError: `hr` has another shape or type, sides that are not multiples of the scale,
                or non-finite values.
        """
        return self._apply(_single(hr), [self.draw(rng)])[0]

    def describe(self, seed: int, index: int) -> list[dict[str, Any]]:
        """Returns the history of sample `index` for `seed`, as JSON types."""
        return to_data(self._history(seed, index))

    def batch(self, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
        """Degrades `hr`, `[b, 3, h, w]`, each image as determined by (seed, index).

        Raises:
            DataError: As for single images, or the number of indices is not b.
        """
        return self._apply(hr, [self._history(seed, index) for index in indices])

    def apply(self, hr: Tensor, history: Sequence[Step | Mapping[str, Any]]) -> Tensor:
        """Degrades `hr`, `[3, h, w]`, by a history from `describe`, possibly edited.

        Differentiable with respect to `hr` unless `codec` is "libjpeg".

        Raises:
            DataError: As above, or the history is invalid or ends at another size.
        """
        return self._apply(_single(hr), [read_history(history)])[0]

    def target(self, hr: Tensor) -> Tensor:
        """Returns the training target, `[3, h, w]`: `hr`, sharpened if `sharpen_target` is set."""
        if not self._sharpen_target:
            return hr
        return map_single_threaded(sharpen, [_single(hr).float()])[0][0]

    def _history(self, seed: int, index: int) -> History:
        # The same stream that training uses for a sample.
        return self.draw(stream(seed, "degradation", index))

    def _apply(self, hr: Tensor, histories: Sequence[History]) -> Tensor:
        lr_size = _lr_size(hr, self.scale)
        if len(hr) != len(histories):
            raise DataError(
                f"got {len(hr)} images and {len(histories)} indices",
                "Pass one index for each image.",
            )
        settings = Settings(lr_size, self._codec)
        if hr.is_cuda:
            return _degrade(hr, histories, settings)
        # One thread per sample, so that results do not depend on batch or threads.
        pairs = zip(hr, histories, strict=True)
        results = map_single_threaded(
            lambda pair: _degrade(pair[0][None], [pair[1]], settings), pairs
        )
        return torch.cat(results)


def _degrade(hr: Tensor, histories: Sequence[History], settings: Settings) -> Tensor:
    """Degrades `[b, 3, h, w]` by b histories."""
    if not hr.isfinite().all():
        raise DataError(
            "an image to degrade has values that are not finite", "Check how it was loaded."
        )
    with torch.set_grad_enabled(hr.requires_grad):
        images = _apply_steps(list(hr.float().clamp(0, 1)), histories, settings)
        for image in images:
            _check_size(image, settings.lr_size)
        return _to_grid(torch.stack(images))


def _apply_steps(
    images: list[Tensor], histories: Sequence[History], settings: Settings
) -> list[Tensor]:
    """Applies histories step by step; batches images that share the kind of step and the size."""
    for number in range(max(len(history) for history in histories)):
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for index, history in enumerate(histories):
            if number < len(history):
                step = history[number]
                # Resizing gives images different sizes, so it is not batched.
                group = index if isinstance(step, Resize) else -1
                groups[step.step, images[index].shape, group].append(index)
        for (name, *_), indices in groups.items():
            batch = torch.stack([images[index] for index in indices])
            steps = [histories[index][number] for index in indices]
            for index, image in zip(indices, OPERATIONS[name](batch, steps, settings), strict=True):
                images[index] = image
    return images


def _to_grid(images: Tensor) -> Tensor:
    """Rounds to 8-bit levels in [0, 1], with a straight-through gradient."""
    clipped = images.clamp(0, 1)
    levels = (clipped.detach() * 255).round() / 255
    return levels + (clipped - clipped.detach()) if clipped.requires_grad else levels


def _single(hr: Tensor) -> Tensor:
    if hr.ndim != 3:
        raise DataError(
            f"a degradation takes one RGB image, [3, h, w], but got shape {list(hr.shape)}",
            "Pass images one by one, or use batch().",
        )
    return hr[None]


def _lr_size(hr: Tensor, scale: int) -> tuple[int, int]:
    if hr.ndim != 4 or hr.shape[1] != 3:
        raise DataError(
            f"a degradation takes RGB images, [b, 3, h, w], but got shape {list(hr.shape)}",
            "Convert the image to RGB.",
        )
    if not hr.is_floating_point():
        raise DataError(
            f"a degradation takes values in [0, 1], but got {hr.dtype}",
            "Divide 8-bit values by 255: image.float() / 255",
        )
    height, width = hr.shape[2:]
    if min(height, width) < scale or height % scale or width % scale:
        raise DataError(
            f"an image of {height} x {width} pixels (h x w) cannot be degraded by {scale}",
            f"Crop it to multiples of {scale}.",
        )
    return height // scale, width // scale


def _check_size(image: Tensor, lr_size: tuple[int, int]) -> None:
    if tuple(image.shape[1:]) != lr_size:
        raise DataError(
            f"the history ends at {image.shape[2]}x{image.shape[1]} pixels, but the LR image must "
            f"have {lr_size[1]}x{lr_size[0]}",
            'Add a last step such as {"step": "resize", "mode": "bicubic", "of": "lr"}.',
        )
