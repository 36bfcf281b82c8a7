"""What happens to pixels: filters, resizing, noise, JPEG, sharpening and rounding.

Images are `[h, w, 3]`, RGB, float32, nominally in [0, 1]: OpenCV's layout. Each function returns a
new image. Borders are mirrored, without repeating the outermost pixel where there are others.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit_degradations.history import Noise, ResizeMode

    Image = NDArray[np.float32]

_INTERPOLATION: Final = {
    "area": cv2.INTER_AREA,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
}
_LUMA: Final = np.array([0.2989, 0.5870, 0.1140], dtype=np.float32)
_SHARPEN_TAPS: Final = 51
_SHARPEN_SIGMA: Final = 8.0


def convolve(image: Image, kernel: NDArray[np.float32]) -> Image:
    """Filters each channel with `kernel`, `[k, k]`, k odd; the image may be smaller than k.

    Example:
        >>> image = np.random.default_rng(0).random((5, 4, 3), dtype=np.float32)
        >>> bool((convolve(image, np.ones((1, 1), np.float32)) == image).all())
        True
    """
    return _float32(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT_101))


def resize(image: Image, height: int, width: int, mode: ResizeMode) -> Image:
    """Interpolates to a new size; bilinear and bicubic without antialiasing, as published.

    Aliasing is part of the degradation: careless resizing is what real images have been through.
    "area" averages when it shrinks, and repeats pixels when it enlarges, blending where they meet.

    Example:
        >>> resize(np.zeros((8, 6, 3), np.float32), 4, 9, "area").shape
        (4, 9, 3)
    """
    if image.shape[:2] == (height, width):
        return image
    return _float32(cv2.resize(image, (width, height), interpolation=_INTERPOLATION[mode]))


def add_noise(image: Image, noise: Noise) -> Image:
    """Adds what a record of noise stands for, and clips to [0, 1].

    The values come from the record's own stream, so that the same record on the same image gives
    the same bytes.

    Example:
        >>> from toolkit_degradations.history import Noise
        >>> image = np.full((4, 4, 3), 0.5, np.float32)
        >>> noisy = add_noise(image, Noise(kind="gaussian", strength=5, gray=True, seed=1))
        >>> bool((noisy[..., 0] == noisy[..., 2]).all())
        True
    """
    rng = np.random.default_rng(noise.seed)
    if noise.kind == "gaussian":
        shape = (*image.shape[:2], 1 if noise.gray else 3)
        added = rng.standard_normal(shape, dtype=np.float32)
        added *= np.float32(noise.strength / 255)
    else:
        added = shot_noise(image @ _LUMA[:, None] if noise.gray else image, rng)
        added *= np.float32(noise.strength)
    return _float32(np.clip(image + added, 0, 1))


def shot_noise(image: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """The error of counting photons, of the same shape as `image`, any number of channels.

    The image's brightest value stands for as many photons as the image has distinct 8-bit values,
    rounded up to a power of two.

    Source: Real-ESRGAN, section 3.1 (noise); the number of photons is its published code's.

    Example:
        >>> float(shot_noise(np.zeros((2, 2, 3), np.float32), np.random.default_rng(0)).max())
        0.0
    """
    levels = to_bytes(image)
    distinct = np.count_nonzero(np.bincount(levels.ravel(), minlength=256))
    photons = 2 ** math.ceil(math.log2(distinct))
    expected = levels * (photons / 255)
    return _float32((rng.poisson(expected) - expected) / photons)


def jpeg(image: Image, quality: int) -> Image:
    """Compresses to JPEG with libjpeg and reads it back; 4:2:0 chroma, as nearly all JPEGs.

    The published training code approximates JPEG in floating point, so that it runs on a GPU; this
    is the real thing, with its rounding.

    Example:
        >>> jpeg(np.zeros((3, 5, 3), np.float32), 50).shape
        (3, 5, 3)
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    ]
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(to_bytes(image), cv2.COLOR_RGB2BGR), options)
    decoded = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert decoded is not None
    return _float32(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)) * np.float32(1 / 255)


def sharpen(image: Image) -> Image:
    """Unsharp masking where the detail is strong, faded in softly.

    With the blurred image B(x), the residual is r = x - B(x). Half of r is added where |r| exceeds
    10 / 255; that mask is itself blurred, so that there is no seam. The blur is a Gaussian of 51
    taps (radius 50, made odd) and standard deviation 8, which is separable.

    Source: Real-ESRGAN, "sharpened ground-truth images"; radius 50, weight 0.5 and threshold 10 are
    its published code's.

    Example:
        >>> flat = np.full((4, 4, 3), 0.25, np.float32)
        >>> bool(np.allclose(sharpen(flat), flat))
        True
    """
    residual = image - _wide_blur(image)
    mask = _wide_blur((np.abs(residual) > np.float32(10 / 255)).astype(np.float32))
    sharp = np.clip(image + np.float32(0.5) * residual, 0, 1)
    # The mask is a mean of zeros and ones, up to rounding.
    return np.clip(image + mask * (sharp - image), 0, 1)


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The nearest 8-bit levels, clipped to 0 and 255.

    Example:
        >>> to_bytes(np.array([-0.1, 0.5, 1.2], np.float32)).tolist()
        [0, 128, 255]
    """
    levels: NDArray[np.uint8] = np.rint(np.clip(image, 0, 1) * np.float32(255)).astype(np.uint8)
    return levels


def _wide_blur(image: Image) -> Image:
    taps = (_SHARPEN_TAPS, _SHARPEN_TAPS)
    blurred = cv2.GaussianBlur(image, taps, _SHARPEN_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return _float32(blurred)


def _float32(values: cv2.typing.MatLike) -> Image:
    """OpenCV's stubs know no element type."""
    return np.asarray(values, dtype=np.float32)
