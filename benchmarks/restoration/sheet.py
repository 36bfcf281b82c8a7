"""Draws the same part of held-out photographs as each restorer made it, beside LR and HR.

python benchmarks/restoration/heldout.py --keep DIR
python benchmarks/restoration/sheet.py DIR --out docs/images/heldout.jpg
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import toolkit
from toolkit.images import Encoding, Picture, read_rgb, write_picture

SHOWN = {
    "hedgehog": (0.5, 0.5),
    "red-panda": (0.5, 0.5),
    "chamber-orchestra": (0.5, 0.5),
    "limestone-mountain": (0.5, 0.4),
    "carcassonne-walls": (0.5, 0.5),
    "sally-lightfoot-crab": (0.5, 0.5),
    "rowing-boats": (0.5, 0.5),
    "halved-fig": (0.5, 0.5),
}
"""Photographs, and where the middle of the part lies: the share from the left, and from the top."""
COLUMNS = ("lr", "bicubic", "real-esrgan", "pocket")
TITLES = {"lr": "LR", "real-esrgan": "Real-ESRGAN", "pocket": "ours (pocket)", "hr": "HR"}
CELL, GAP, HEAD = 224, 4, 28
"""Pixels: side of a part in HR, between parts, and above the first row."""


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="what heldout.py kept")
    parser.add_argument("--degradation", default="realesrgan")
    parser.add_argument("--data", default="photos:heldout")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    photos = toolkit.make("dataset", args.data)
    found = {Path(photos[i].name).stem: photos[i].hr for i in range(len(photos))}
    folder = args.folder / args.degradation
    rows = [titles([*COLUMNS, "hr"])]
    rows += [row(folder, name, place, found[name]) for name, place in SHOWN.items()]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    write_picture(Picture(torch.cat(rows, dim=1)), args.out, Encoding(quality=90))


def row(folder: Path, name: str, place: tuple[float, float], hr: Tensor) -> Tensor:
    """One photograph, `[3, CELL + GAP, width]`."""
    across, down = (
        4 * round((share * side - CELL / 2) / 4)
        for share, side in zip(place, (hr.shape[2], hr.shape[1]), strict=True)
    )
    cells = []
    for column in COLUMNS:
        image = read_rgb(folder / column / f"{name}.png")
        if column == "lr":
            image = F.interpolate(image[None], scale_factor=4.0)[0]
        cells.append(image)
    parts = [image[:, down : down + CELL, across : across + CELL] for image in [*cells, hr]]
    padded = [F.pad(part, (0, GAP, 0, GAP), value=1.0) for part in parts]
    return torch.cat(padded, dim=2)


def titles(names: list[str]) -> Tensor:
    """A strip with a title above each column."""
    strip = np.full((HEAD, (CELL + GAP) * len(names), 3), 255, np.uint8)
    for column, name in enumerate(names):
        place = (column * (CELL + GAP) + 6, 19)
        text = TITLES.get(name, name)
        cv2.putText(strip, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return torch.from_numpy(strip).permute(2, 0, 1).float() / 255


if __name__ == "__main__":
    main()
