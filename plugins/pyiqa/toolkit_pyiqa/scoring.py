"""Scores images with a metric of pyiqa."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from toolkit.plugin import DataError, ToolkitError
from toolkit_pyiqa.sandbox import sandbox

if TYPE_CHECKING:
    from torch import Tensor

_SEED = 123  # pyiqa's default


@torch.no_grad()
def score(model: Any, name: str, sr: Tensor, hr: Tensor | None) -> Tensor:
    """Scores `[b, 3, h, w]` as `[b]`, one image at a time, with a fixed seed."""
    images = [_pixels(sr, "restored image (sr)")]
    if model.metric_mode == "FR":
        images.append(_pixels(_reference(sr, hr), "reference image (hr)"))
    model.to(sr.device)
    devices = [sr.device] if sr.device.type == "cuda" else []
    scores = []
    with sandbox(), torch.random.fork_rng(devices):
        for index in range(len(sr)):
            torch.manual_seed(_SEED)
            scores.append(_score(model, name, [image[index : index + 1] for image in images]))
    return torch.stack(scores)


def _score(model: Any, name: str, images: list[Tensor]) -> Tensor:
    try:
        result = model(*images)
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        height, width = images[0].shape[-2:]
        raise DataError(
            f"pyiqa's {name} cannot score an image of {width}x{height} pixels: {error}",
            hint="The image may be too small for this metric; exclude it",
        ) from error
    if not isinstance(result, torch.Tensor) or result.numel() != 1:
        raise ToolkitError(f"pyiqa's {name} does not return one score per image")
    return result.reshape(())


def _pixels(image: Tensor, kind: str) -> Tensor:
    if bad := int((~image.isfinite()).sum()):
        raise DataError(
            f"The {kind} has {bad} values that are NaN or infinite",
            hint="Check the restorer, or how the image was loaded",
        )
    return image.detach().float().clamp(0, 1)


def _reference(sr: Tensor, hr: Tensor | None) -> Tensor:
    if hr is None:
        raise DataError("This metric needs reference images", hint="Pass their folder: --hr DIR")
    if sr.shape != hr.shape:
        first, second = (f"{image.shape[-1]}x{image.shape[-2]}" for image in (sr, hr))
        raise DataError(
            f"The restored image has {first} pixels, the reference {second}",
            hint="Use images of the same size, with the same file names in both folders",
        )
    return hr
