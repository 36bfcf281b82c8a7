"""Photographs recorded twice, in high and in low resolution, as a dataset."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from toolkit.colour_profiles import read_photo
from toolkit.errors import DataError, ImageError
from toolkit.interfaces import Sample
from toolkit.paths import user_path
from toolkit_photos.folder import readable_images

# `HR`, `test_LR`, `LRx4`, `Canon_001_LR4`: a word of its own, which says what a file is.
_SIDE = re.compile(r"(?:^|[ _.-])(?:(hr|hq|gt)|(?:lr|lq)x?\d*)(?=$|[ _.-])", re.IGNORECASE)
# What else a file's name may have that its partner's has not: `_x1` beside `_x4`, `x4`.
_MARKS = {
    True: re.compile(r"[ _.-](?:hr|hq|gt|x1)(?=$|[ _.-])", re.IGNORECASE),
    False: re.compile(r"[ _.-](?:lr|lq)x?\d*(?=$|[ _.-])|[ _.-]?x\d$", re.IGNORECASE),
}


class _File(NamedTuple):
    path: Path
    name: str
    """Its path below the dataset's folder."""
    is_hr: bool
    place: tuple[str, ...]
    """What it shares with its partner: folders, and its name without suffix."""

    def exact(self) -> tuple[str, ...]:
        return self.place

    def bare(self) -> tuple[str, ...]:
        return *self.place[:-1], _MARKS[self.is_hr].sub("", self.place[-1])


class RecordedPairs:
    """HR photographs and their LR partners, by the names of the HR files, all in sRGB.

    Which is which is said by a folder's name (`HR` and `LR`, `gt` and `lq`, `test_HR` and
    `test_LR`, ...) or by the file's own (`a_HR.png` beside `a_LR4.png`). Partners have the same
    path but for that, for the suffix, and for a scale at the LR name's end (`a_x4`). What has no
    partner is set aside.

    Reading one raises `ImageError` where a file is torn, or HR is no whole multiple of LR. Where
    HR is larger than that by less than an LR pixel, it is cropped at right and bottom.

    Args:
        folder: Searched with its subfolders; None where `hr` and `lr` are given.
        hr: The folder of HR photographs, whatever its name.
        lr: The folder of LR photographs.

    Raises:
        DataError: There is no such folder, no image, or not a single pair.
    """

    def __init__(
        self, folder: Path | None = None, hr: Path | None = None, lr: Path | None = None
    ) -> None:
        places = [user_path(each) for each in (folder, hr, lr) if each is not None]
        self.name = " and ".join(map(str, places))
        sides = (None,) if folder else (True, False)
        files: list[_File] = []
        skipped: list[tuple[str, str]] = []
        for place, is_hr in zip(places, sides, strict=True):
            paths, broken = readable_images(place)
            skipped += broken
            for path in paths:
                if file := _sided(path, path.relative_to(place), is_hr):
                    files.append(file)
                else:
                    name = path.relative_to(place).as_posix()
                    skipped.append((name, "neither its folders nor its name say HR or LR"))
        self._pairs, alone = _matched(files)
        self.skipped = (*skipped, *alone)
        if not self._pairs:
            raise DataError(
                f"There is no pair of HR and LR images in {self.name}.",
                "Name the two folders, with files of the same names in both: "
                "--set data.hr=DIR --set data.lr=DIR",
            )

    @property
    def files(self) -> dict[str, Path]:
        """The images of all pairs, by side and name."""
        sides = ("lr", "hr")
        return {f"{sides[f.is_hr]}/{f.name}": f.path for pair in self._pairs for f in pair}

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        high, low = self._pairs[index]
        lr = read_photo(low.path)
        return Sample(high.name, _cropped(read_photo(high.path), lr, high, low), lr)


def _sided(path: Path, name: Path, is_hr: bool | None) -> _File | None:
    """The file with its side, told or else by the first folder that says one, or its own name."""
    parts = name.with_suffix("").parts
    if is_hr is not None:
        return _File(path, name.as_posix(), is_hr, parts)
    for i, part in enumerate(parts):
        if word := _SIDE.search(part):
            rest = part[: word.start()] + part[word.end() :]
            place = (*parts[:i], rest, *parts[i + 1 :])
            return _File(path, name.as_posix(), word[1] is not None, place)
    return None


def _matched(files: list[_File]) -> tuple[list[tuple[_File, _File]], list[tuple[str, str]]]:
    """Pairs in the order of HR, by equal names first, and those without a partner."""
    pairs: list[tuple[_File, _File]] = []
    left = files
    for key in (_File.exact, _File.bare):
        high, low = (_grouped(left, key, is_hr) for is_hr in (True, False))
        found = [(high[k][0], low[k][0]) for k in high if len(high[k]) == len(low.get(k, ())) == 1]
        pairs += found
        taken = {file.path for pair in found for file in pair}
        left = [file for file in left if file.path not in taken]
    alone = [
        (file.name, f"no {'LR' if file.is_hr else 'HR'} image has its name, or more than one has")
        for file in left
    ]
    return sorted(pairs, key=lambda pair: pair[0].path), alone


def _grouped(
    files: Iterable[_File], key: Callable[[_File], tuple[str, ...]], is_hr: bool
) -> dict[tuple[str, ...], list[_File]]:
    groups = defaultdict(list)
    for file in files:
        if file.is_hr == is_hr:
            groups[key(file)].append(file)
    return dict(groups)


def _cropped(hr: Tensor, lr: Tensor, high: _File, low: _File) -> Tensor:
    (height, width), (rows, columns) = hr.shape[1:], lr.shape[1:]
    factor = min(height // rows, width // columns)
    beyond = (height - factor * rows, width - factor * columns)
    if factor == 0 or max(beyond) >= factor:
        raise ImageError(
            f"{high.path} is {width}x{height} px, no whole multiple of {low.path}, "
            f"{columns}x{rows} px",
            "Crop HR to the same multiple of LR's width and height, or remove both files",
        )
    return hr[:, : factor * rows, : factor * columns]
