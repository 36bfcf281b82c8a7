"""Chooses the photograph of each sample."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from toolkit.abilities import Streamed
from toolkit.contracts import draw, read
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Dataset, Sample
from toolkit.members import length, skipped
from toolkit.streams import stream
from toolkit.training.data.fitting import Fitting
from toolkit.training.data.unusable import SetAside, Unusable, listed

_CACHE_BYTES = 1 << 30
_ATTEMPTS = 100
"""Photographs that a streamed dataset is asked for before none is considered usable."""


class Photographs:
    """The photograph of each sample: each once per epoch, in an order that the seed determines.

    A `Streamed` dataset decides by itself. Photographs that cannot be used are set aside when they
    are first met, and the next one takes their place.

    Args:
        dataset: Supplies the photographs.
        seed: Of the run.
        fitting: Says which can be used.
        set_aside: Collects those that cannot.
    """

    def __init__(self, dataset: Dataset, seed: int, fitting: Fitting, set_aside: SetAside) -> None:
        self._dataset, self._seed = dataset, seed
        self._fitting, self._set_aside = fitting, set_aside
        self._read: dict[int, Sample] = {}
        self._spare = _CACHE_BYTES

    def share_memory(self, processes: int) -> None:
        """Keeps only this process's share of the memory for photographs."""
        self._spare = max(0, self._spare) // processes

    def of(self, number: int) -> tuple[Sample, str]:
        """Returns the photograph of a sample, and its identity in the dataset.

        Raises:
            DataError: None can be used, or too many cannot be read.
        """
        streamed = isinstance(self._dataset, Streamed)
        candidates = self._drawn(number) if streamed else self._in_order(number)
        for index, photo in candidates:
            if photo is not None:
                self._set_aside.add_usable()
                return photo, photo.name if index is None else f"{index}:{photo.name}"
        raise self._nothing_usable()

    def _in_order(self, number: int) -> Iterator[tuple[int, Sample | None]]:
        """Yields the sample's photograph and those after it; None for unusable ones."""
        count = length(self._dataset)
        if not count:
            raise DataError(
                f"The dataset {self._dataset.name} is empty: it has no photographs.",
                "Take another: --data DIR, or --data photos",
            )
        epoch, place = divmod(number, count)
        order = _epoch_order(self._seed, epoch, count)
        for offset in range(count):
            index = int(order[(place + offset) % count])
            yield index, self._at(index)

    def _drawn(self, number: int) -> Iterator[tuple[None, Sample | None]]:
        """Yields what a streamed dataset chooses; None for unusable photographs."""
        assert isinstance(self._dataset, Streamed)
        for attempt in range(_ATTEMPTS):
            choose = functools.partial(draw, self._dataset, self._seed, number, attempt)
            yield None, self._usable(None, f"sample {number}", choose)

    def _at(self, index: int) -> Sample | None:
        if index in self._read:
            return self._read[index]
        if self._set_aside.passes(index):
            return None
        choose = functools.partial(read, self._dataset, index)
        photo = self._usable(index, f"image {index + 1}", choose)
        if photo is None:
            return None
        if (space := photo.hr.element_size() * photo.hr.nelement()) <= self._spare:
            self._spare -= space
            self._read[index] = photo
        return photo

    def _usable(self, index: int | None, label: str, get: Callable[[], Sample]) -> Sample | None:
        """Returns a photograph; None if it cannot be used, which sets it aside."""
        try:
            photo = get()
        except ImageError as error:
            self._set_aside.add(Unusable(index, label, str(error), unreadable=True))
            return None
        if reason := self._fitting.why_not(photo):
            self._set_aside.add(Unusable(index, photo.name, reason, unreadable=False))
            return None
        return photo

    def _nothing_usable(self) -> DataError:
        dataset = self._dataset
        reasons = [*skipped(dataset), *((each.name, each.reason) for each in self._set_aside.all)]
        told = (
            f"{_ATTEMPTS} images that {dataset.name} chose"
            if isinstance(dataset, Streamed)
            else f"{length(dataset)} images of {dataset.name}"
        )
        message = f"Of the {told} none can be used ({listed(reasons)})."
        return DataError(message, self._fitting.way_out())


@functools.lru_cache(maxsize=2)
def _epoch_order(seed: int, epoch: int, count: int) -> np.ndarray[Any, Any]:
    return stream(seed, "order", epoch).permutation(count)
