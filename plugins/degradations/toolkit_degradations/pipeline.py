"""The two degradations: Real-ESRGAN's second-order pipeline, and plain bicubic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn.functional import interpolate

from toolkit.errors import DataError
from toolkit_degradations.draws import draw_history
from toolkit_degradations.kernels import kernel
from toolkit_degradations.operations import add_noise, convolve, jpeg, resize, sharpen, to_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from toolkit_degradations.draws import EndingRanges, StageRanges
    from toolkit_degradations.history import Ending, History, Stage
    from toolkit_degradations.operations import Image


class RealESRGAN:
    """Blur, resize, noise and JPEG, twice, with sinc filters; LR on the 8-bit grid.

    Source: Real-ESRGAN (Wang et al., 2021), figure 2.

    Args:
        scale: HR pixels per LR pixel, on a side.
        first: What the first stage is drawn from.
        second: What the second stage is drawn from.
        ending: What the last steps are drawn from.
        sharpen: Sharpen HR before it is degraded.
        sharpen_target: Train against sharpened HR.
    """

    def __init__(
        self,
        *,
        scale: int,
        first: StageRanges,
        second: StageRanges,
        ending: EndingRanges,
        sharpen: bool,
        sharpen_target: bool,
    ) -> None:
        self.scale = scale
        self._first = first
        self._second = second
        self._ending = ending
        self._sharpen = sharpen
        self._sharpen_target = sharpen_target

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> Tensor:
        """Degrades `hr`, `[3, h, w]` in [0, 1], to `[3, h/scale, w/scale]`, multiples of 1/255.

        Raises:
            DataError: `hr` has another shape, or sides that are no multiples of the scale.
        """
        return self.apply(hr, self.draw(rng))

    def draw(self, rng: np.random.Generator) -> History:
        """Draws how one image is degraded; the image itself plays no part."""
        return draw_history(self._first, self._second, self._ending, rng)

    def apply(self, hr: Tensor, history: History) -> Tensor:
        """Degrades `hr` as `history` says; shapes and errors as in `__call__`.

        The first stage's factor applies to HR's size, the second's to the final LR size.
        """
        height, width = _lr_size(hr, self.scale)
        image = _to_pixels(hr)
        if self._sharpen:
            image = sharpen(image)
        image = _blur_resize_noise(image, history.first, image.shape[0], image.shape[1])
        image = jpeg(image, history.first.jpeg_quality)
        image = _blur_resize_noise(image, history.second, height, width)
        image = _finish(image, history.ending, history.second.jpeg_quality, height, width)
        return _to_tensor(to_bytes(image), hr) / 255

    def target(self, hr: Tensor) -> Tensor:
        """The image to train against: `hr`, or with `sharpen_target` its sharpened version."""
        if not self._sharpen_target:
            return hr
        return _to_tensor(sharpen(_to_pixels(hr)), hr)


class Bicubic:
    """Bicubic downscaling with antialiasing, on the 8-bit grid: the classical benchmark's LR.

    Args:
        scale: HR pixels per LR pixel, on a side.
    """

    def __init__(self, *, scale: int) -> None:
        self.scale = scale

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> Tensor:  # noqa: ARG002
        """Shrinks `hr`, `[3, h, w]` in [0, 1], to `[3, h/scale, w/scale]`; draws nothing.

        Raises:
            DataError: `hr` has another shape, or sides that are no multiples of the scale.
        """
        size = _lr_size(hr, self.scale)
        lr = interpolate(hr[None].float(), size=size, mode="bicubic", antialias=True)[0]
        return (lr.clamp(0, 1) * 255).round() / 255

    def target(self, hr: Tensor) -> Tensor:
        """The image to train against: `hr` itself."""
        return hr


def _blur_resize_noise(image: Image, stage: Stage, height: int, width: int) -> Image:
    """All of a stage but its JPEG; `height` and `width` are what its factor multiplies."""
    if stage.blur is not None:
        image = convolve(image, kernel(stage.blur))
    factor = stage.resize.factor
    # Small crops may shrink to nothing, which the published crops of 400 pixels never do.
    new_height, new_width = max(1, int(height * factor)), max(1, int(width * factor))
    image = resize(image, new_height, new_width, stage.resize.mode)
    return add_noise(image, stage.noise)


def _finish(image: Image, ending: Ending, quality: int, height: int, width: int) -> Image:
    """To the final size, with the second stage's JPEG before or after."""
    if not ending.jpeg_last:
        image = jpeg(image, quality)
    image = resize(image, height, width, ending.mode)
    if ending.sinc is not None:
        image = convolve(image, kernel(ending.sinc))
    return jpeg(image, quality) if ending.jpeg_last else image


def _lr_size(hr: Tensor, scale: int) -> tuple[int, int]:
    if hr.ndim != 3 or hr.shape[0] != 3:
        raise DataError(
            f"a degradation takes one RGB image, [3, h, w], and was given {list(hr.shape)}",
            "Pass the images of a batch one by one.",
        )
    height, width = hr.shape[1:]
    if min(height, width) < scale or height % scale or width % scale:
        raise DataError(
            f"an image of {height} x {width} pixels (h x w) cannot be degraded by {scale}",
            f"Crop it to multiples of {scale}.",
        )
    return height // scale, width // scale


def _to_pixels(hr: Tensor) -> Image:
    """`[3, h, w]` to OpenCV's `[h, w, 3]`."""
    pixels: Image = hr.detach().permute(1, 2, 0).to("cpu", torch.float32).contiguous().numpy()
    return pixels


def _to_tensor(pixels: NDArray[np.float32] | NDArray[np.uint8], like: Tensor) -> Tensor:
    """`[h, w, 3]` to `[3, h, w]`, float32, where `like` is."""
    channels_first = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    return torch.from_numpy(channels_first).to(like.device, torch.float32)
