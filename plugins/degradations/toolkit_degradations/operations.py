"""What each kind of step does to images: `[b, 3, h, w]` of one size, with one record for each.

Images are RGB, float32, nominally in [0, 1]. The code is the same on processor and GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from toolkit.images import bicubic_resize
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


class Surroundings(NamedTuple):
    """What a step depends on beside its record."""

    lr_size: tuple[int, int]
    """Height and width of the final LR image."""
    codec: Codec
    """Which JPEG."""


def sharpen(images: Tensor) -> Tensor:
    """Unsharp masking where the detail is strong, faded in softly.

    With the blurred image B(x), the residual is r = x - B(x). Half of r is added where |r| exceeds
    10 / 255; that mask is itself blurred, so that there is no seam. The blur is a Gaussian of 51
    taps (radius 50, made odd) and standard deviation 8, which is separable.

    Source: Real-ESRGAN, "sharpened ground-truth images"; radius 50, weight 0.5 and threshold 10 are
    its published code's.

    Args:
        images: `[b, 3, h, w]`.

    Example:
        >>> flat = torch.full((1, 3, 4, 4), 0.25)
        >>> bool(torch.allclose(sharpen(flat), flat))
        True
    """
    planes = images.flatten(0, 1)
    # Plane by plane, all of it stays in a processor's cache.
    parts = [planes] if images.is_cuda else [plane[None] for plane in planes]
    return torch.cat([_sharpen_planes(part) for part in parts]).view(images.shape)


def resize(images: Tensor, how: Resize, lr_size: tuple[int, int]) -> Tensor:
    """Interpolates `[b, 3, h, w]`; only "antialiased" averages over what it leaves out.

    Aliasing is part of the degradation: careless resizing is what real images have been through.
    "area" averages when it shrinks, and repeats pixels when it enlarges, blending where they meet.
    Where the factor is of the image, it also places the samples, as in the published training,
    and not the rounded size.

    Example:
        >>> resize(torch.zeros(1, 3, 8, 6), Resize(mode="area", factor=0.5), (2, 1)).shape
        torch.Size([1, 3, 4, 3])
    """
    base = images.shape[2:] if how.of == "image" else lr_size
    size = [max(1, int(side * how.factor)) for side in base]
    if how.mode == "antialiased":
        return bicubic_resize(images, (size[0], size[1]))
    if size == list(images.shape[2:]) and (how.of == "lr" or how.factor == 1):
        return images
    fitting = how.mode in {"bilinear", "bicubic"}
    if how.of == "image" and fitting and min(base) * how.factor >= 1:
        factors = (how.factor, how.factor)
        return interpolate(images, scale_factor=factors, mode=how.mode, align_corners=False)
    return interpolate(images, size=size, mode=how.mode, align_corners=False if fitting else None)


def _sharpen_planes(planes: Tensor) -> Tensor:
    residual = planes - convolve_separably(planes, _SHARPEN_TAPS)
    mask = convolve_separably((residual.abs() > 10 / 255).float(), _SHARPEN_TAPS)
    sharp = (planes + 0.5 * residual).clamp(0, 1)
    # The mask is a mean of zeros and ones, up to rounding.
    return torch.lerp(planes, sharp, mask.clamp(0, 1)).clamp(0, 1)


def _sharpen(images: Tensor, _steps: Sequence[Sharpen], _around: Surroundings) -> Tensor:
    return sharpen(images)


def _filter(images: Tensor, steps: Sequence[Blur | Sinc], _around: Surroundings) -> Tensor:
    pairs = zip(images, steps, strict=True)
    return torch.stack([convolve(image, kernel(step)) for image, step in pairs])


def _resize(images: Tensor, steps: Sequence[Resize], around: Surroundings) -> Tensor:
    return resize(images, steps[0], around.lr_size)


def _add(
    noise: Callable[[Tensor, Any], Tensor],
    images: Tensor,
    steps: Sequence[GaussianNoise | PoissonNoise],
    _around: Surroundings,
) -> Tensor:
    pairs = zip(images, steps, strict=True)
    noisy = [image + noise(image, step) for image, step in pairs]
    return torch.stack(noisy).clamp(0, 1)


def _jpeg(images: Tensor, steps: Sequence[Jpeg], around: Surroundings) -> Tensor:
    codec = around.codec
    if codec == "auto":
        real = images.device.type == "cpu" and not images.requires_grad
        codec = "libjpeg" if real else "differentiable"
    if codec == "differentiable":
        return differentiable_jpeg(images.clamp(0, 1), [step.quality for step in steps])
    pairs = zip(images, steps, strict=True)
    return torch.stack([libjpeg(image, step.quality) for image, step in pairs])


def _clip(images: Tensor, _steps: Sequence[Clip], _around: Surroundings) -> Tensor:
    return images.clamp(0, 1)


OPERATIONS: Final[dict[str, Callable[[Tensor, Sequence[Any], Surroundings], Tensor]]] = {
    "sharpen": _sharpen,
    "blur": _filter,
    "sinc": _filter,
    "resize": _resize,
    "gaussian": partial(_add, gaussian_noise),
    "poisson": partial(_add, shot_noise),
    "jpeg": _jpeg,
    "clip": _clip,
}
"""By the name of the step."""
