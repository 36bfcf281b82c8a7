"""basicsr's single operations beside ours, and a record of what its pipeline draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
from basicsr_pipeline import Published, make_importable
from torch import Tensor
from torch.nn import functional

from toolkit.streams import stream
from toolkit_degradations.filters import convolve
from toolkit_degradations.history import Blur, GaussianNoise, PoissonNoise, Resize, Sinc
from toolkit_degradations.jpeg import differentiable_jpeg
from toolkit_degradations.kernels import kernel
from toolkit_degradations.noise import gaussian_noise, shot_noise
from toolkit_degradations.operations import resize, sharpen

_FAMILIES = {
    "iso": "bivariate_Gaussian",
    "aniso": "bivariate_Gaussian",
    "generalized_iso": "bivariate_generalized_Gaussian",
    "generalized_aniso": "bivariate_generalized_Gaussian",
    "plateau_iso": "bivariate_plateau",
    "plateau_aniso": "bivariate_plateau",
}


def operations(images: Tensor) -> dict[str, float]:
    """Largest differences in 8-bit levels, over images `[b, 3, h, w]` and many parameters."""
    make_importable()
    from basicsr.utils.img_process_util import USMSharp

    found = {"sharpening": _levels(sharpen(images), USMSharp()(images))}
    found |= _filters(images)
    found |= _resizings(images)
    found |= _jpegs(images)
    found |= _noises(images)
    return found


def _filters(images: Tensor) -> dict[str, float]:
    from basicsr.data import degradations as theirs
    from basicsr.utils.img_process_util import filter2D

    found: dict[str, float] = {}
    rng = stream(0, "filters")
    for shape, family in _FAMILIES.items():
        for image in images:
            size, sigma = int(2 * rng.integers(3, 11) + 1), rng.uniform(0.2, 3, 2)
            rotation, beta, iso = rng.uniform(-np.pi, np.pi), rng.uniform(0.5, 4), "an" not in shape
            arguments = [size, sigma[0], sigma[0 if iso else 1], rotation]
            arguments += [] if family == "bivariate_Gaussian" else [beta]
            wanted = getattr(theirs, family)(*arguments, isotropic=iso)
            blur = Blur(
                shape=shape, size=size, sigma=(sigma[0], sigma[0 if iso else 1]),
                rotation=0.0 if iso else rotation,
                beta=1.0 if family == "bivariate_Gaussian" else beta,
            )  # fmt: skip
            _note(
                found,
                f"blur {shape}",
                convolve(image, kernel(blur)),
                _filtered(filter2D, image, wanted),
            )
    for image in images:
        size, cutoff = int(2 * rng.integers(3, 11) + 1), rng.uniform(np.pi / 5, np.pi)
        wanted = theirs.circular_lowpass_kernel(cutoff, size, pad_to=21)
        ours = convolve(image, kernel(Sinc(size=size, cutoff=cutoff)))
        _note(found, "sinc", ours, _filtered(filter2D, image, wanted))
    return found


def _filtered(filtering: Callable[..., Tensor], image: Tensor, taps: Any) -> Tensor:
    return filtering(image[None], torch.from_numpy(taps).float()[None])[0]


def _resizings(images: Tensor) -> dict[str, float]:
    found: dict[str, float] = {}
    rng, lr_size = stream(0, "resizings"), (images.shape[2] // 4, images.shape[3] // 4)
    for mode in ("area", "bilinear", "bicubic"):
        for _ in range(40):
            factor = float(rng.uniform(0.15, 1.5))
            ours = resize(images, Resize(mode=mode, factor=factor), lr_size)
            theirs = functional.interpolate(images, scale_factor=factor, mode=mode)
            _note(found, f"resize {mode}", ours, theirs)
            size = [int(side * factor) for side in lr_size]
            ours = resize(images, Resize(mode=mode, factor=factor, of="lr"), lr_size)
            theirs = functional.interpolate(images, size=size, mode=mode)
            _note(found, f"resize {mode} to a size", ours, theirs)
    return found


def _jpegs(images: Tensor) -> dict[str, float]:
    from basicsr.utils.diffjpeg import DiffJPEG

    found: dict[str, float] = {}
    rng, theirs = stream(0, "jpegs"), DiffJPEG(differentiable=False)
    for side in (images.shape[-1], 117, 50):
        part = images[..., :side, : side - 3]
        qualities = rng.uniform(10, 95, len(part)).tolist()
        with torch.no_grad():
            wanted = theirs(part, quality=torch.tensor(qualities))
        ours = differentiable_jpeg(part, qualities)
        _note(found, "JPEG", ours, wanted)
    return found


def _noises(images: Tensor) -> dict[str, float]:
    from basicsr.data import degradations as theirs

    found: dict[str, float] = {}
    for number, image in enumerate(images):
        torch.manual_seed(number)
        wanted = theirs.generate_gaussian_noise_pt(image[None], sigma=12.5, gray_noise=0)[0]
        ours = gaussian_noise(image, GaussianNoise(sigma=12.5, seed=number))
        _note(found, "Gaussian noise of the same seed", ours, wanted)
        for gray in (False, True):
            # The draws differ; the spread, which the image decides, must not.
            kinds = [
                shot_noise(image, PoissonNoise(scale=1, gray=gray, seed=number)),
                theirs.generate_poisson_noise_pt(image[None], 1.0, int(gray))[0],
            ]
            spread = [kind.std().item() * 255 for kind in kinds]
            _keep(found, "Poisson noise's standard deviation", abs(spread[0] - spread[1]))
    return found


class _Seen:
    """What was drawn for one image, in the order in which it was."""

    def __init__(self, figures: dict[str, list[float]], lr_side: int) -> None:
        self._figures = figures
        self._lr_side = lr_side
        self._kernels = 0
        self._resizes = 0
        self._jpegs = 0
        self._events: list[str] = []

    def _note(self, name: str, value: float) -> None:
        self._figures[name].append(float(value))

    def mixed(self, _kinds: Any, _odds: Any, size: int, *_ranges: Any, **_named: Any) -> None:
        self._kernels += 1
        self._note(f"kernel size {self._kernels}", size)

    def sinc(self, cutoff: float, size: int, pad_to: int = 0) -> None:
        self._kernels += not pad_to
        stage = "final" if pad_to else str(self._kernels)
        self._note(f"kernel size {stage}", size)
        self._note(f"cutoff {stage}", cutoff)

    def gaussian_kernel(
        self, _size: int, x: float, y: float, turn: float, _grid: Any = None, isotropic: bool = True
    ) -> None:
        self._note(f"sigma {self._kernels}", x)
        if not isotropic:
            self._note(f"second sigma {self._kernels}", y)
            self._note(f"rotation {self._kernels}", turn)

    def generalized(self, *kernel: Any, **named: Any) -> None:
        self._exponent("gene", *kernel, **named)

    def plateau(self, *kernel: Any, **named: Any) -> None:
        self._exponent("plat", *kernel, **named)

    def _exponent(self, family: str, size: int, *kernel: Any, **named: Any) -> None:
        x, y, turn, beta, *_ = kernel
        self.gaussian_kernel(size, x, y, turn, **named)
        self._note(f"beta {family} {self._kernels}", beta)

    def gaussian(self, _image: Tensor, sigma: Tensor, gray: Tensor) -> None:
        self._noise("gaussian", sigma, gray)

    def poisson(self, _image: Tensor, scale: Tensor, gray: Tensor) -> None:
        self._noise("poisson", scale, gray)

    def _noise(self, kind: str, level: Tensor, gray: Tensor) -> None:
        self._note(f"noise is Gaussian {self._resizes}", kind == "gaussian")
        self._note(f"noise is gray {self._resizes}", gray.item())
        self._note(f"{kind} level {self._resizes}", level.item())

    def filtered(self, _image: Tensor, _kernel: Tensor) -> None:
        self._events.append("filter")

    def resized(self, _image: Tensor, **how: Any) -> None:
        self._events.append("resize")
        self._resizes += 1
        if "scale_factor" in how:
            self._note("scale 1", how["scale_factor"])
        elif self._resizes == 2:
            self._note("scale 2", how["size"][0] / self._lr_side)

    def jpeg(self, quality: Tensor) -> None:
        self._events.append("jpeg")
        self._jpegs += 1
        self._note(f"JPEG quality {self._jpegs}", quality.item())

    def conclude(self) -> None:
        """What only the whole tells."""
        self._note("JPEG is last", self._events[-1] == "jpeg")
        self._note("second blur", self._events.count("filter") == 3)


@contextmanager
def recorded(pipeline: Published, figures: dict[str, list[float]]) -> Iterator[None]:
    """Notes what basicsr's pipeline draws for one image, without changing it."""
    from basicsr.data import degradations, realesrgan_dataset
    from basicsr.models import realesrgan_model

    seen = _Seen(figures, pipeline.lr_side)
    with (
        _watched(realesrgan_dataset, "random_mixed_kernels", seen.mixed),
        _watched(realesrgan_dataset, "circular_lowpass_kernel", seen.sinc),
        _watched(degradations, "bivariate_Gaussian", seen.gaussian_kernel),
        _watched(degradations, "bivariate_generalized_Gaussian", seen.generalized),
        _watched(degradations, "bivariate_plateau", seen.plateau),
        _watched(degradations, "generate_gaussian_noise_pt", seen.gaussian),
        _watched(degradations, "generate_poisson_noise_pt", seen.poisson),
        _watched(realesrgan_model, "filter2D", seen.filtered),
        _watched(realesrgan_model.F, "interpolate", seen.resized),
    ):
        pipeline.on_jpeg = seen.jpeg
        yield
    pipeline.on_jpeg = None
    seen.conclude()


@contextmanager
def _watched(module: Any, name: str, tell: Callable[..., None]) -> Iterator[None]:
    real = getattr(module, name)

    def watched(*arguments: Any, **named: Any) -> Any:
        tell(*arguments, **named)
        return real(*arguments, **named)

    with mock.patch.object(module, name, watched):
        yield


def _levels(one: Tensor, other: Tensor) -> float:
    return float((one.clamp(0, 1) - other.clamp(0, 1)).abs().max() * 255)


def _note(found: dict[str, float], name: str, one: Tensor, other: Tensor) -> None:
    assert one.shape == other.shape, (name, one.shape, other.shape)
    _keep(found, name, float((one - other).abs().max() * 255))


def _keep(found: dict[str, float], name: str, value: float) -> None:
    found[name] = max(found.get(name, 0.0), value)
