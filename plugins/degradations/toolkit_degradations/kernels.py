"""Blur kernels, `[size, size]`, float64, each summing to 1.

Source: Real-ESRGAN (Wang et al., 2021), sections 3.1 (blur) and 3.3 (sinc).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from toolkit_degradations.history import Blur, Sinc

if TYPE_CHECKING:
    from numpy.typing import NDArray


def kernel(filtering: Blur | Sinc) -> NDArray[np.float64]:
    """Returns the kernel of a filter step.

    Example:
        >>> kernel(Blur(shape="iso", size=7, sigma=(1.0, 1.0))).shape
        (7, 7)
    """
    if isinstance(filtering, Sinc):
        return sinc_kernel(filtering.size, filtering.cutoff)
    return blur_kernel(filtering)


def gaussian_line(size: int, sigma: float) -> NDArray[np.float64]:
    """Returns the taps of a one-dimensional Gaussian, `[size]`.

    Example:
        >>> gaussian_line(3, 1.0).round(3)
        array([0.274, 0.452, 0.274])
    """
    offsets = np.arange(size) - size // 2
    return _normalised(np.exp(-(offsets**2) / (2 * sigma**2)))


def blur_kernel(blur: Blur) -> NDArray[np.float64]:
    """Returns a kernel of the Gaussian family.

    With the squared Mahalanobis distance m = xᵀ Σ⁻¹ x of a tap from the centre, taps are
    proportional to exp(-m^β / 2), or for plateau shapes to 1 / (1 + m^β). β = 1 in the first
    formula gives a Gaussian.

    Source: Real-ESRGAN, section 3.1, which takes the generalised form from Liu et al.,
    "Estimating Generalized Gaussian Blur Kernels for Out-of-Focus Image Deblurring", 2020.

    Example:
        >>> taps = blur_kernel(Blur(shape="aniso", size=7, sigma=(2.0, 1.0), rotation=0.5))
        >>> bool((taps == taps[::-1, ::-1]).all())
        True
    """
    y, x = _grid(blur.size)
    y, x = y - blur.shift, x - blur.shift
    cos, sin = math.cos(blur.rotation), math.sin(blur.rotation)
    along = (cos * x + sin * y) / blur.sigma[0]
    across = (cos * y - sin * x) / blur.sigma[1]
    distance = along**2 + across**2
    powered = distance**blur.beta
    if blur.shape in {"plateau_iso", "plateau_aniso"}:
        return _normalised(1 / (1 + powered))
    # Subtract the minimum to prevent underflow if all taps are far from a shifted centre.
    return _normalised(np.exp((powered.min() - powered) / 2))


def sinc_kernel(size: int, cutoff: float) -> NDArray[np.float64]:
    """Returns the ideal circular low-pass filter, truncated to a square; it makes edges ring.

    Taps are proportional to ω J₁(ω r) / (2π r) at radius r, and to ω² / (4π) at the centre.

    Args:
        size: Taps on a side, odd.
        cutoff: ω, in radians per pixel.

    Source: Real-ESRGAN, section 3.3.

    Example:
        >>> sinc_kernel(7, 3.0)[3, 3] > sinc_kernel(7, 1.0)[3, 3]
        np.True_
    """
    y, x = _grid(size)
    radii, indices = np.unique(x**2 + y**2, return_inverse=True)
    radii = np.sqrt(radii)
    # The constant ω / 2π cancels in the normalisation.
    taps = np.full(radii.shape, cutoff / 2)
    taps[1:] = bessel_j1(cutoff * radii[1:]) / radii[1:]
    return _normalised(taps[indices].reshape(size, size))


def bessel_j1(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Computes the Bessel function J₁ of a one-dimensional array, with an error of about 1e-14.

    J₁(x) is the mean of cos(τ - x sin τ) over a period. The trapezoidal rule converges faster than
    any power for periodic functions, once there are more points than x. NumPy has no J₁, and SciPy
    would be a large dependency for one function.

    Example:
        >>> bessel_j1(np.array([1.0, 2.0])).round(6)
        array([0.440051, 0.576725])
    """
    points = 2 * math.ceil(float(np.abs(x).max(initial=0))) + 64
    angles = np.arange(points) * (2 * np.pi / points)
    values: NDArray[np.float64] = np.cos(angles - x[:, None] * np.sin(angles)).mean(axis=1)
    return values


def _grid(size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the offsets (y, x) of taps from the centre, in pixels."""
    offsets = np.arange(size, dtype=np.float64) - size // 2
    return offsets[:, None], offsets[None, :]


def _normalised(taps: NDArray[np.float64]) -> NDArray[np.float64]:
    normalised: NDArray[np.float64] = taps / taps.sum()
    return normalised
