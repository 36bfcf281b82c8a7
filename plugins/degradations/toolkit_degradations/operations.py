"""Implementations of the steps, for batches `[b, 3, h, w]` with one step per image.

Images are RGB, float32, nominally in [0, 1], on CPU or GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from toolkit.plugin import bicubic_resize
from toolkit_degradations.filters import convolve, convolve_separably
from toolkit_degradations.history import (
    Blur,
    Clip,
    Codec,
    GaussianNoise,
    Jpeg,
    PoissonNoise,
    Resize,
    Sharpen,
    Sinc,
)
from toolkit_degradations.jpeg import differentiable_jpeg, libjpeg
from toolkit_degradations.kernels import gaussian_line, kernel
from toolkit_degradations.noise import gaussian_noise, shot_noise

_SHARPEN_TAPS: Final = gaussian_line(51, sigma=8.0)


class Settings(NamedTuple):
    """Settings that apply to all steps of a history."""

    lr_size: tuple[int, int]
    """Height and width of the final LR image."""
    codec: Codec
    """JPEG implementation."""


def sharpen(images: Tensor) -> Tensor:
    """Sharpens strong details by unsharp masking.

    With the blurred image B(x), the residual is r = x - B(x). Half of r is added where |r| exceeds
    10 / 255; this mask is blurred, too, to avoid seams. The blur is a Gaussian of 51 taps (radius
    50, made odd) and standard deviation 8.

    Source: Real-ESRGAN, "sharpened ground-truth images"; radius 50, weight 0.5 and threshold 10
    follow its published code.

    Args:
        images: `[b, 3, h, w]`.

    Example:
        >>> flat = torch.full((1, 3, 4, 4), 0.25)
        >>> bool(torch.allclose(sharpen(flat), flat))
        True
    """
    planes = images.flatten(0, 1)
    # Single planes fit a CPU's cache.
    parts = [planes] if images.is_cuda else [plane[None] for plane in planes]
    return torch.cat([_sharpen_planes(part) for part in parts]).view(images.shape)


def resize(images: Tensor, step: Resize, lr_size: tuple[int, int]) -> Tensor:
    """Resizes `[b, 3, h, w]`; only "antialiased" and "area" avoid aliasing.

    Aliasing is part of the degradation, as real images have often been resized without
    antialiasing. "area" averages for downscaling and, for upscaling, repeats pixels, blended at
    their borders. If the factor is relative to the image, it also determines the sample positions,
    as in the published code, instead of the rounded size.

    Example:
        >>> resize(torch.zeros(1, 3, 8, 6), Resize(mode="area", factor=0.5), (2, 1)).shape
        torch.Size([1, 3, 4, 3])
    """
    base = images.shape[2:] if step.of == "image" else lr_size
    size = [max(1, int(side * step.factor)) for side in base]
    if step.mode == "antialiased":
        return bicubic_resize(images, (size[0], size[1]))
    if size == list(images.shape[2:]) and (step.of == "lr" or step.factor == 1):
        return images
    smooth = step.mode in {"bilinear", "bicubic"}
    if step.of == "image" and smooth and min(base) * step.factor >= 1:
        factors = (step.factor, step.factor)
        return interpolate(images, scale_factor=factors, mode=step.mode, align_corners=False)
    return interpolate(images, size=size, mode=step.mode, align_corners=False if smooth else None)


def _sharpen_planes(planes: Tensor) -> Tensor:
    residual = planes - convolve_separably(planes, _SHARPEN_TAPS)
    mask = convolve_separably((residual.abs() > 10 / 255).float(), _SHARPEN_TAPS)
    sharp = (planes + 0.5 * residual).clamp(0, 1)
    # Rounding may leave the mask slightly outside [0, 1].
    return torch.lerp(planes, sharp, mask.clamp(0, 1)).clamp(0, 1)


def _sharpen(images: Tensor, _steps: Sequence[Sharpen], _settings: Settings) -> Tensor:
    return sharpen(images)


def _filter(images: Tensor, steps: Sequence[Blur | Sinc], _settings: Settings) -> Tensor:
    pairs = zip(images, steps, strict=True)
    return torch.stack([convolve(image, kernel(step)) for image, step in pairs])


def _resize(images: Tensor, steps: Sequence[Resize], settings: Settings) -> Tensor:
    return resize(images, steps[0], settings.lr_size)


def _add_noise(
    noise: Callable[[Tensor, Any], Tensor],
    images: Tensor,
    steps: Sequence[GaussianNoise | PoissonNoise],
    _settings: Settings,
) -> Tensor:
    pairs = zip(images, steps, strict=True)
    noisy = [image + noise(image, step) for image, step in pairs]
    return torch.stack(noisy).clamp(0, 1)


def _jpeg(images: Tensor, steps: Sequence[Jpeg], settings: Settings) -> Tensor:
    codec = settings.codec
    if codec == "auto":
        use_libjpeg = images.device.type == "cpu" and not images.requires_grad
        codec = "libjpeg" if use_libjpeg else "differentiable"
    if codec == "differentiable":
        return differentiable_jpeg(images.clamp(0, 1), [step.quality for step in steps])
    pairs = zip(images, steps, strict=True)
    return torch.stack([libjpeg(image, step.quality) for image, step in pairs])


def _clip(images: Tensor, _steps: Sequence[Clip], _settings: Settings) -> Tensor:
    return images.clamp(0, 1)


OPERATIONS: Final[dict[str, Callable[[Tensor, Sequence[Any], Settings], Tensor]]] = {
    "sharpen": _sharpen,
    "blur": _filter,
    "sinc": _filter,
    "resize": _resize,
    "gaussian": partial(_add_noise, gaussian_noise),
    "poisson": partial(_add_noise, shot_noise),
    "jpeg": _jpeg,
    "clip": _clip,
}
"""Implementations by the name of the step."""
