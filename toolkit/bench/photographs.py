"""The photographs that a table is measured on, as files: `hr/` and `lr/`, of the same names."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from toolkit.bench.tables import Tag
from toolkit.component import Kind
from toolkit.contracts import read
from toolkit.degrading.samples import degrade
from toolkit.errors import DataError, ImageError
from toolkit.images import Picture, write_picture
from toolkit.interfaces import Dataset, Degradation, Sample
from toolkit.provenance import plain, provenance
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit.training.material import material_of
from toolkit.weights import write_atomically

SEED = 0
"""Of the degradations: photograph k is always degraded in the same way."""
_LIST = "photographs.json"


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
        """What is restored."""
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
    if getattr(maker, "recorded", False):
        maker = None  # the dataset's own LR, then
    made = chosen.model_dump(mode="json") if chosen else ""
    parts: list[tuple[Kind, Selection]] = [("dataset", Selection.model_validate(dataset))]
    parts += [("degradation", chosen)] if chosen else []
    asked = {"dataset": dataset, "degradation": made, "seed": SEED, "count": count,
             "of": len(photos), "tag": tag, "files": material_of(photos),
             "made_by": plain(provenance(registry, parts))}  # fmt: skip
    mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:8]
    words = re.sub(r"[^\w.+]+", "-", f"{dataset} {degradation or 'recorded'} {tag}")[-60:]
    folder = parent / f"{words.strip('-')}-{mark}"
    known = _known(folder)
    if known:
        return known
    skipped = list(photos.skipped)
    written = 0
    for index in range(len(photos)):
        if written == count:
            break
        try:
            name, hr, lr = _pair(read(photos, index), maker, index, tag)
        except (ImageError, DataError) as error:
            skipped.append((f"photograph {index + 1}", str(error)))
            continue
        for kind, image in (("hr", hr), ("lr", lr)):
            if not image.numel():
                continue  # nobody has its original
            path = folder / kind / Path(name).with_suffix(".png")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_picture(Picture(image), path)
        written += 1
    if not written:
        raise DataError(f"{dataset} holds no photograph that can be measured on.")
    content = {**asked, "count": written, "skipped": skipped}
    write_atomically(folder / _LIST, (json.dumps(content, indent=1) + "\n").encode())
    return Photographs(folder, written, tuple(skipped))


def _known(folder: Path) -> Photographs | None:
    """The folder, if all of it was written."""
    try:
        content = json.loads((folder / _LIST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    skipped = tuple((name, reason) for name, reason in content["skipped"])
    return Photographs(folder, content["count"], skipped)


def _pair(
    sample: Sample, maker: Degradation | None, index: int, tag: Tag
) -> tuple[str, Tensor, Tensor]:
    """Name, HR and LR of a photograph."""
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
