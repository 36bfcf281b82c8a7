"""A degradation: a way of drawing histories, and the code that applies them to images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from toolkit.errors import DataError
from toolkit.streams import stream
from toolkit_degradations.alone import each_alone
from toolkit_degradations.history import Codec, History, Resize, Step, read_history, to_data
from toolkit_degradations.operations import OPERATIONS, Surroundings, sharpen

Draw = Callable[[np.random.Generator], History]
"""Draws how one image is degraded; the image itself plays no part."""


class Pipeline:
    """Draws a history for every image, applies it, and rounds LR to the 8-bit grid.

    Args:
        draw: From a random stream to a history that ends at the LR size.
        scale: HR pixels per LR pixel, on a side.
        codec: Which JPEG.
        sharpen_target: Train against sharpened HR.
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
            DataError: `hr` is of another shape or type, has sides that are no multiples of the
                scale, or values that are not finite.
        """
        return self._apply(_single(hr), [self.draw(rng)])[0]

    def describe(self, seed: int, index: int) -> list[dict[str, Any]]:
        """What happens to sample `index` of `seed`: its steps in order, as JSON's types."""
        return to_data(self._history(seed, index))

    def batch(self, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
        """Degrades `hr`, `[b, 3, h, w]`, each image as its own (seed, index) alone decides.

        Raises:
            DataError: As for single images; or there are not b indices.
        """
        return self._apply(hr, [self._history(seed, index) for index in indices])

    def apply(self, hr: Tensor, history: Sequence[Step | Mapping[str, Any]]) -> Tensor:
        """Degrades `hr`, `[3, h, w]`, as `history` says: what `describe` gave, perhaps edited.

        Where `hr` requires gradients, and JPEG is not libjpeg's, they reach it.

        Raises:
            DataError: As above; or the history holds what is no step, or ends at another size.
        """
        return self._apply(_single(hr), [read_history(history)])[0]

    def target(self, hr: Tensor) -> Tensor:
        """The image to train against, `[3, h, w]`: `hr`, or with `sharpen_target` sharpened HR."""
        if not self._sharpen_target:
            return hr
        return each_alone(sharpen, [_single(hr).float()])[0][0]

    def _history(self, seed: int, index: int) -> History:
        # The words that training has for the stream of a sample.
        return self.draw(stream(seed, "degradation", index))

    def _apply(self, hr: Tensor, histories: Sequence[History]) -> Tensor:
        lr_size = _lr_size(hr, self.scale)
        if len(hr) != len(histories):
            raise DataError(
                f"{len(hr)} images and {len(histories)} indices do not belong together",
                "Give one index for each image.",
            )
        around = Surroundings(lr_size, self._codec)
        if hr.is_cuda:
            return _together(hr, histories, around)
        # Each on one thread alone: nothing beside a sample can change a bit of it.
        pairs = zip(hr, histories, strict=True)
        done = each_alone(lambda pair: _together(pair[0][None], [pair[1]], around), pairs)
        return torch.cat(done)


def _together(hr: Tensor, histories: Sequence[History], around: Surroundings) -> Tensor:
    """Degrades `[b, 3, h, w]` as b histories say."""
    if not hr.isfinite().all():
        raise DataError("an image to degrade has values that are not finite", "Read it again.")
    with torch.set_grad_enabled(hr.requires_grad):
        images = _steps(list(hr.float().clamp(0, 1)), histories, around)
        for image in images:
            _check_size(image, around.lr_size)
        return _to_grid(torch.stack(images))


def _steps(
    images: list[Tensor], histories: Sequence[History], around: Surroundings
) -> list[Tensor]:
    """Takes all images step by step; those of one kind of step and one size in one go."""
    for number in range(max(len(history) for history in histories)):
        groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for place, history in enumerate(histories):
            if number < len(history):
                step = history[number]
                # Images are resized each to its own size.
                alone = place if isinstance(step, Resize) else -1
                groups[step.step, images[place].shape, alone].append(place)
        for (name, *_), places in groups.items():
            batch = torch.stack([images[place] for place in places])
            steps = [histories[place][number] for place in places]
            for place, image in zip(places, OPERATIONS[name](batch, steps, around), strict=True):
                images[place] = image
    return images


def _to_grid(images: Tensor) -> Tensor:
    """The nearest 8-bit levels, in [0, 1]; gradients go through."""
    clipped = images.clamp(0, 1)
    levels = (clipped.detach() * 255).round() / 255
    return levels + (clipped - clipped.detach()) if clipped.requires_grad else levels


def _single(hr: Tensor) -> Tensor:
    if hr.ndim != 3:
        raise DataError(
            f"a degradation takes one RGB image, [3, h, w], and was given {list(hr.shape)}",
            "Pass the images of a batch one by one, or to batch().",
        )
    return hr[None]


def _lr_size(hr: Tensor, scale: int) -> tuple[int, int]:
    if hr.ndim != 4 or hr.shape[1] != 3:
        raise DataError(
            f"a degradation takes RGB images, [b, 3, h, w], and was given {list(hr.shape)}",
            "Repeat a gray image's channel three times; leave alpha out.",
        )
    if not hr.is_floating_point():
        raise DataError(
            f"a degradation takes values in [0, 1], and was given {hr.dtype}",
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
            f"the history ends at {image.shape[2]}x{image.shape[1]} pixels, and the LR image has "
            f"{lr_size[1]}x{lr_size[0]}",
            'End it with a step such as {"step": "resize", "mode": "bicubic", "of": "lr"}.',
        )
