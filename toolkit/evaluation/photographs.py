"""Writing of the photographs that systems are measured on: `hr/` and `lr/`, of the same names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from toolkit.abilities import is_recorded
from toolkit.component import Kind
from toolkit.contracts import read
from toolkit.errors import DataError, ImageError
from toolkit.files import write_atomically
from toolkit.interfaces import Dataset, Degradation, Sample
from toolkit.members import length, skipped
from toolkit.provenance import plain, provenance
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.training.resuming import material_of

if TYPE_CHECKING:
    from torch import Tensor

Tag = Literal["whole", "crop512"]
"""The part that is restored and scored: whole photographs, or 512 pixels at their centres."""
SEED = 0
"""Seed of the degradations: photograph k is always degraded in the same way."""
_LIST = "photographs.json"


class _Written(BaseModel):
    """The fields of the list beside the photographs that are read again."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore", frozen=True)

    count: int
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Photographs:
    """A folder of photographs to measure on.

    Attributes:
        folder: Holds `hr/` and `lr/`.
        count: How many there are.
        skipped: What was set aside: (name, reason).
    """

    folder: Path
    count: int
    skipped: tuple[tuple[str, str], ...] = ()

    @property
    def hr(self) -> Path:
        """The originals."""
        return self.folder / "hr"

    @property
    def lr(self) -> Path:
        """The LR images."""
        return self.folder / "lr"


def write_photographs(
    parent: Path,
    dataset: str,
    degradation: str | Selection | None,
    count: int | None,
    registry: Registry,
    tag: Tag = "whole",
) -> Photographs:
    """Writes the photographs that are not yet there.

    Args:
        parent: Where the folder is made; its name tells what is in it.
        dataset: Selection of the dataset.
        degradation: What makes LR images; nothing where the dataset has its own.
        count: Of the first so many; None for all.
        registry: Supplies both.
        tag: What of each photograph.

    Raises:
        ToolkitError: The dataset is not there, or holds no photograph that can be used.
    """
    photos: Dataset = registry.make("dataset", Selection.model_validate(dataset))
    chosen = Selection.model_validate(degradation) if degradation else None
    maker: Degradation | None = registry.make("degradation", chosen) if chosen else None
    if is_recorded(maker):
        maker = None  # the dataset's own LR, then
    parts: list[tuple[Kind, Selection]] = [("dataset", Selection.model_validate(dataset))]
    parts += [("degradation", chosen)] if chosen else []
    made = chosen.model_dump(mode="json") if chosen else ""
    asked = {"dataset": dataset, "degradation": made, "seed": SEED, "count": count,
             "of": length(photos), "tag": tag, "files": material_of(photos),
             "made_by": plain(provenance(registry, parts))}  # fmt: skip
    mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    words = re.sub(r"[^\w.+]+", "-", f"{dataset} {degradation or 'recorded'} {tag}")[-60:]
    folder = parent / f"{words.strip('-')}-{mark}"
    if known := _known(folder):
        return known
    set_aside = skipped(photos)
    written = 0
    for sample in _samples(photos, maker, count, tag, set_aside):
        _write(folder, sample)
        written += 1
    if not written:
        raise DataError(f"{dataset} holds no photograph that can be measured on.")
    content = {**asked, "count": written, "skipped": set_aside}
    write_atomically(folder / _LIST, (json.dumps(content, indent=1) + "\n").encode())
    return Photographs(folder, written, tuple(set_aside))


def _known(folder: Path) -> Photographs | None:
    """The photographs of a folder, if it was written completely."""
    try:
        found = _Written.model_validate_json((folder / _LIST).read_bytes())
    except (OSError, ValidationError):
        return None
    return Photographs(folder, found.count, found.skipped)


def _samples(
    photos: Dataset,
    maker: Degradation | None,
    count: int | None,
    tag: Tag,
    skipped: list[tuple[str, str]],
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, HR and LR of the first so many photographs; adds to `skipped` those it cannot use."""
    found = 0
    for index in range(length(photos)):
        if found == count:
            return
        try:
            sample = _hr_and_lr(read(photos, index), maker, index, tag)
        except (ImageError, DataError) as error:
            skipped.append((f"photograph {index + 1}", str(error)))
            continue
        found += 1
        yield sample


def _write(folder: Path, sample: tuple[str, Tensor, Tensor]) -> None:
    from toolkit.images import Picture, write_picture

    name, hr, lr = sample
    for kind, image in (("hr", hr), ("lr", lr)):
        if not image.numel():
            continue  # nobody has its original
        path = folder / kind / Path(name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(Picture(image), path)


def _hr_and_lr(
    sample: Sample, maker: Degradation | None, index: int, tag: Tag
) -> tuple[str, Tensor, Tensor]:
    """Name, HR and LR of a photograph."""
    from toolkit.degrading.samples import degrade

    hr, lr = sample.hr, sample.lr
    if tag == "crop512":
        hr, lr = _centre(sample, 512)
    if maker:
        if not hr.numel():
            raise DataError(f"{sample.name} has no original to make an LR image of.")
        # Pixels at right and bottom that make up no LR pixel cannot be restored.
        height, width = (side - side % maker.scale for side in hr.shape[1:])
        hr = hr[:, :height, :width]
        lr = degrade(maker, hr[None], SEED, [index])[0]
    if lr is None:
        raise DataError(f"{sample.name} has no LR image.")
    return sample.name, hr, lr


def _centre(sample: Sample, side: int) -> tuple[Tensor, Tensor | None]:
    """The middle of HR, as far as it goes, and the same of LR."""
    hr, lr = sample.hr, sample.lr
    if lr is None:
        top, left = (max(0, length - side) // 2 for length in hr.shape[1:])
        return hr[:, top : top + side, left : left + side], None
    factor = hr.shape[1] // lr.shape[1] if hr.numel() else 4
    part = side // factor
    top, left = (max(0, length - part) // 2 for length in lr.shape[1:])
    cut = lr[:, top : top + part, left : left + part]
    top, left = top * factor, left * factor
    return hr[:, top : top + part * factor, left : left + part * factor], cut
