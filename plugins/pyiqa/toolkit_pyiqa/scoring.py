"""Calls one of pyiqa's metrics, image by image, and gives `[b]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from toolkit.errors import DataError, ToolkitError
from toolkit_pyiqa.sealed import sealed

if TYPE_CHECKING:
    from torch import Tensor

_SEED = 123  # that of pyiqa's metrics


@torch.no_grad()
def score(model: Any, name: str, sr: Tensor, hr: Tensor | None) -> Tensor:
    """Scores of `[b, 3, h, w]`, `[b]`, the same at every call."""
    pixels = [_checked(sr, "restored image (sr)")]
    if model.metric_mode == "FR":
        pixels.append(_checked(_reference(sr, hr), "true image (hr)"))
    model.to(sr.device)
    devices = [sr.device] if sr.device.type == "cuda" else []
    scores = []
    with sealed(), torch.random.fork_rng(devices):
        for index in range(len(sr)):
            torch.manual_seed(_SEED)
            scores.append(_single(model, name, [each[index : index + 1] for each in pixels]))
    return torch.stack(scores)


def _single(model: Any, name: str, images: list[Tensor]) -> Tensor:
    try:
        found = model(*images)
    except torch.OutOfMemoryError:
        raise
    except (AssertionError, IndexError, RuntimeError, ValueError) as error:
        height, width = images[0].shape[-2:]
        raise DataError(
            f"pyiqa's {name} cannot score an image of {width}x{height} pixels: {error}",
            hint="It may be too small for this metric; leave it out",
        ) from error
    if not isinstance(found, torch.Tensor) or found.numel() != 1:
        raise ToolkitError(f"pyiqa's {name} does not give one figure for an image")
    return found.reshape(())


def _checked(image: Tensor, kind: str) -> Tensor:
    if bad := int((~image.isfinite()).sum()):
        raise DataError(
            f"The {kind} has {bad} values that are NaN or infinite",
            hint="Look for the restorer's or the reader's fault; no figure can be given",
        )
    return image.detach().float().clamp(0, 1)


def _reference(sr: Tensor, hr: Tensor | None) -> Tensor:
    if hr is None:
        raise DataError("This metric needs the true images", hint="Give their folder with --hr")
    if sr.shape != hr.shape:
        first, second = (f"{each.shape[-1]}x{each.shape[-2]}" for each in (sr, hr))
        raise DataError(
            f"The restored image has {first} pixels, the true one {second}",
            hint="Compare whole images of one size; both folders must pair by file name",
        )
    return hr
