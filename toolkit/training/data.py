"""Training data: which photograph, crop and degradation each sample of a run gets.

Everything follows from (seed, number of the sample), so a resumed run goes on with the very
samples that it would have had, and batches can be made ahead on other threads.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import torch
from torch import Tensor

from toolkit.abilities import is_recorded
from toolkit.contracts import read, target
from toolkit.degrading.samples import degrade
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Dataset, Degradation, Sample
from toolkit.streams import stream

_CACHE_BYTES = 1 << 30
_CROPS = (512, 384, 256, 192, 128, 96, 64, 48, 32, 16)
"""Crop sizes that error messages suggest."""


class Batch(NamedTuple):
    """A batch of LR images and their targets; `s` is the scale."""

    lr: Tensor
    """`[b, 3, crop/s, crop/s]`, in [0, 1]."""
    hr: Tensor
    """`[b, 3, crop, crop]`, in [0, 1]."""

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        return Batch(self.lr.to(device), self.hr.to(device))

    def split(self, pieces: int) -> list[Batch]:
        """Splits the batch into equal pieces."""
        both = self.lr.chunk(pieces), self.hr.chunk(pieces)
        return [Batch(*each) for each in zip(*both, strict=True)]


class Pairs:
    """Degraded crops of a dataset.

    Photographs that cannot be read, or are smaller than a crop, are set aside when they are first
    met, and named in `skipped`.

    Args:
        dataset: Supplies the photographs.
        degradation: Makes LR of HR.
        crop: Side of an HR crop in pixels.
        seed: Of the run.
        device: Where crops are degraded.

    Raises:
        DataError: The crop is no multiple of the degradation's scale.
    """

    def __init__(
        self,
        dataset: Dataset,
        degradation: Degradation,
        crop: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        if crop % degradation.scale:
            raise DataError(
                f"A crop of {crop} px is no multiple of the scale {degradation.scale}.",
                f"For example: --set train.crop={crop - crop % degradation.scale}",
            )
        self._dataset = dataset
        self._degradation = degradation
        self._crop = crop
        self._seed = seed
        self._device = device
        self._recorded = is_recorded(degradation)
        self._photos: dict[int, Sample] = {}
        self._spare = _CACHE_BYTES
        self._unusable: dict[int, tuple[str, str]] = {}
        self._largest = 0  # of the shorter sides that were met

    @property
    def dataset(self) -> Dataset:
        """The dataset of photographs."""
        return self._dataset

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Photographs that were skipped so far: (name, reason)."""
        return [*self._dataset.skipped, *dict.fromkeys(self._unusable.values())]

    def batch(self, step: int, size: int) -> Batch:
        """Returns the batch of a step, counted from 0."""
        return self._samples([step * size + i for i in range(size)])

    def sample(self, number: int) -> Batch:
        """Returns sample `number` of the run as a batch of one."""
        return self._samples([number])

    def _samples(self, numbers: list[int]) -> Batch:
        crops = [self._crop_of(number) for number in numbers]
        hr = torch.stack([crop.hr for crop in crops])
        if self._recorded:
            return Batch(torch.stack([crop.lr for crop in crops if crop.lr is not None]), hr)
        hr = hr.to(self._device)
        lr = degrade(self._degradation, hr, self._seed, numbers)
        return Batch(lr, torch.stack([target(self._degradation, each) for each in hr]))

    def _crop_of(self, number: int) -> Sample:
        """Returns the crops of sample `number`: of HR, and of LR if the dataset has LR images."""
        photo = self._usable_photo(number)
        scale, rng = self._degradation.scale, stream(self._seed, "crop", number)
        # In steps of an LR pixel where the LR image is recorded, so that both crops agree.
        grid = scale if self._recorded else 1
        top, left = (
            grid * int(rng.integers((side - self._crop) // grid + 1)) for side in photo.hr.shape[1:]
        )
        turned = (2,) if rng.random() < 0.5 else ()
        hr = _window(photo.hr, top, left, self._crop).flip(turned)
        if photo.lr is None or not self._recorded:
            return Sample(photo.name, hr)
        lr = _window(photo.lr, top // scale, left // scale, self._crop // scale).flip(turned)
        return Sample(photo.name, hr, lr)

    def check(self) -> None:
        """Raises `DataError` at once where not a single photograph is usable."""
        self._usable_photo(0)

    def _usable_photo(self, number: int) -> Sample:
        """Returns the photograph of a sample, or the next usable one of the epoch."""
        count = len(self._dataset)
        if not count:
            raise DataError(
                f"The dataset {self._dataset.name} is empty: it has no photographs.",
                "Take another: --data DIR, or --data photos",
            )
        epoch, place = divmod(number, count)
        order = _epoch_order(self._seed, epoch, count)
        for offset in range(count):
            index = order[(place + offset) % count]
            if index not in self._unusable and (photo := self._read(index)) is not None:
                return photo
        raise self._nothing_usable()

    def _read(self, index: int) -> Sample | None:
        if index in self._photos:
            return self._photos[index]
        try:
            photo = read(self._dataset, index)
        except ImageError as error:
            self._unusable[index] = (f"image {index + 1}", str(error))
            return None
        if reason := self._unfit(photo):
            self._unusable[index] = (photo.name, reason)
            return None
        if (space := photo.hr.element_size() * photo.hr.nelement()) <= self._spare:
            self._spare -= space
            self._photos[index] = photo
        return photo

    def _unfit(self, photo: Sample) -> str:
        """Returns why a photograph cannot be used; empty if it can."""
        height, width = photo.hr.shape[1:]
        self._largest = max(self._largest, min(height, width))
        if min(height, width) < self._crop:
            return f"{width}x{height} px is smaller than a crop of {self._crop} px"
        if not self._recorded:
            return ""
        if photo.lr is None:
            return "it has no recorded LR image"
        scale = self._degradation.scale
        if tuple(photo.lr.shape[1:]) != (height // scale, width // scale):
            lr_height, lr_width = photo.lr.shape[1:]
            return f"its LR image has {lr_width}x{lr_height} px, not 1/{scale} of {width}x{height}"
        return ""

    def _nothing_usable(self) -> DataError:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in self.skipped[:3])
        more = f"; and {len(self.skipped) - 3} more" if len(self.skipped) > 3 else ""
        return DataError(
            f"Of the {len(self._dataset)} images of {self._dataset.name} none can be used "
            f"({reasons}{more}).",
            "Give pairs of at least one crop: --data pairs:DIR, "
            "or have LR made: --degradation realesrgan"
            if self._recorded
            else self._larger_or_smaller(),
        )

    def _larger_or_smaller(self) -> str:
        """Returns what to do if all images are too small; empty otherwise."""
        fitting = [crop for crop in _CROPS if crop < self._crop and crop <= self._largest]
        smaller = f", or smaller crops: --set train.crop={fitting[0]}" if fitting else ""
        return f"Give larger images{smaller}" if self._largest else "Give images that can be read"


def batches(pairs: Pairs, first: int, last: int, size: int, ahead: int) -> Iterator[Batch]:
    """Yields the batches of steps `first` to `last - 1`, preparing up to `ahead` in advance."""
    if not ahead:
        yield from (pairs.batch(step, size) for step in range(first, last))
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="data") as pool:
        waiting: list[Future[Batch]] = []
        try:
            for step in range(first, last + ahead):
                if step < last:
                    waiting.append(pool.submit(pairs.batch, step, size))
                if step - first >= ahead:
                    yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()


def _window(image: Tensor, top: int, left: int, side: int) -> Tensor:
    return image[:, top : top + side, left : left + side]


@functools.lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, count: int) -> list[int]:
    order: list[int] = stream(seed, "order", epoch).permutation(count).tolist()
    return order
