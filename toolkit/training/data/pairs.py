"""Degraded crops of a dataset's photographs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from toolkit.abilities import is_recorded
from toolkit.contracts import target
from toolkit.degrading.samples import degrade
from toolkit.errors import DataError
from toolkit.interfaces import Dataset, Degradation
from toolkit.members import skipped
from toolkit.streams import stream
from toolkit.training.data.batch import Batch
from toolkit.training.data.fitting import Fitting
from toolkit.training.data.photographs import Photographs
from toolkit.training.data.unusable import News, SetAside


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
        max_bad_files: Largest share of the photographs tried that may be unreadable.
        remake: Makes the same pairs in another process, where processes cannot be forked; must be
            picklable.

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
        *,
        max_bad_files: float = 1.0,
        remake: Callable[[], Pairs] | None = None,
    ) -> None:
        if crop % degradation.scale:
            raise DataError(
                f"A crop of {crop} px is no multiple of the scale {degradation.scale}.",
                f"For example: --set train.crop={crop - crop % degradation.scale}",
            )
        self.remake = remake
        self._dataset = dataset
        self._degradation = degradation
        self._crop = crop
        self._seed = seed
        self._device = torch.device(device)
        self._recorded = is_recorded(degradation)
        self._set_aside = SetAside(dataset.name, max_bad_files)
        fitting = Fitting(crop, degradation.scale, recorded=self._recorded)
        self._photographs = Photographs(dataset, seed, fitting, self._set_aside)

    @property
    def dataset(self) -> Dataset:
        """The dataset of photographs."""
        return self._dataset

    @property
    def degrades_on_cpu(self) -> bool:
        """Whether `degrade` may be called in other processes, which cannot share a GPU."""
        return self._recorded or self._device.type == "cpu"

    @property
    def skipped(self) -> list[tuple[str, str]]:
        """Photographs that were skipped so far: (name, reason)."""
        found = ((each.name, each.reason) for each in self._set_aside.all)
        return [*skipped(self._dataset), *dict.fromkeys(found)]

    def set_aside(self) -> list[list[Any]]:
        """Returns the unusable photographs so far as JSON's types, for `recall`.

        Others took their places, so a resumed run must know them to go on alike.
        """
        return self._set_aside.remember()

    def recall(self, remembered: Sequence[Sequence[Any]]) -> None:
        """Passes over photographs that `set_aside` returned, here or in other processes."""
        self._set_aside.recall(remembered)

    def news(self) -> News:
        """Returns what this process has set aside since the last call."""
        return self._set_aside.news()

    def merge(self, news: News) -> None:
        """Adds what another process has set aside.

        Raises:
            DataError: Too many photographs cannot be read.
        """
        self._set_aside.merge(news)

    def share_memory(self, processes: int) -> None:
        """Keeps only this process's share of the memory for photographs."""
        self._photographs.share_memory(processes)

    def check(self) -> None:
        """Raises `DataError` at once where not a single photograph is usable."""
        self._photographs.of(0)

    def batch(self, step: int, size: int) -> Batch:
        """Returns the batch of a step, counted from 0."""
        return self.samples(range(step * size, (step + 1) * size))

    def sample(self, number: int) -> Batch:
        """Returns sample `number` of the run as a batch of one."""
        return self.samples([number])

    def samples(self, numbers: Sequence[int]) -> Batch:
        """Returns samples of the run, by number."""
        return self.degrade(self.crops(numbers))

    def crops(self, numbers: Sequence[int]) -> Batch:
        """Returns crops of samples on the CPU; without LR, `[b, 3, 0, 0]`, unless recorded.

        Raises:
            DataError: No photograph can be used, or too many cannot be read.
        """
        hr, lr, names, crops = zip(*map(self._crop_of, numbers), strict=True)
        return Batch(torch.stack(lr), torch.stack(hr), tuple(numbers), names, crops)

    def degrade(self, batch: Batch) -> Batch:
        """Completes a batch of `crops`: makes LR and targets, on the device of this object."""
        if self._recorded:
            return batch
        hr = batch.hr.to(self._device)
        lr = degrade(self._degradation, hr, self._seed, batch.numbers)
        wanted = torch.stack([target(self._degradation, each) for each in hr])
        return batch._replace(lr=lr, hr=wanted)

    def _crop_of(self, number: int) -> tuple[Tensor, Tensor, str, str]:
        """Returns the crops of sample `number`, HR and LR, the photograph's name and the crop's."""
        photo, identity = self._photographs.of(number)
        scale, rng = self._degradation.scale, stream(self._seed, "crop", number)
        # In steps of an LR pixel where the LR image is recorded, so that both crops agree.
        grid = scale if self._recorded else 1
        top, left = (
            grid * int(rng.integers((side - self._crop) // grid + 1)) for side in photo.hr.shape[1:]
        )
        mirrored = bool(rng.random() < 0.5)
        turned = (2,) if mirrored else ()
        hr = _window(photo.hr, top, left, self._crop).flip(turned)
        lr = hr.new_empty(3, 0, 0)
        if self._recorded and photo.lr is not None:
            lr = _window(photo.lr, top // scale, left // scale, self._crop // scale).flip(turned)
        crop = f"{identity}:{top},{left},{self._crop}{',mirrored' if mirrored else ''}"
        return hr, lr, photo.name, crop


def _window(image: Tensor, top: int, left: int, side: int) -> Tensor:
    return image[:, top : top + side, left : left + side]
