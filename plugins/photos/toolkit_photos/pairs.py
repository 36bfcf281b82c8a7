"""A dataset of scenes recorded in high and low resolution."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from toolkit.colour_profiles import read_photo
from toolkit.plugin import DataError, ImageError, Sample, user_path
from toolkit_photos.folder import readable_images

# Word in a folder or file name that identifies HR or LR: `HR`, `test_LR`, `LRx4`, `Canon_001_LR4`.
_SIDE = re.compile(r"(?:^|[ _.-])(?:(hr|hq|gt)|(?:lr|lq)x?\d*)(?=$|[ _.-])", re.IGNORECASE)
# Suffixes in which the names of partners may differ, such as `_x1` and `_x4`, by `is_hr`.
_MARKS = {
    True: re.compile(r"[ _.-](?:hr|hq|gt|x1)(?=$|[ _.-])", re.IGNORECASE),
    False: re.compile(r"[ _.-](?:lr|lq)x?\d*(?=$|[ _.-])|[ _.-]?x\d$", re.IGNORECASE),
}


class _File(NamedTuple):
    path: Path
    name: str
    """Path relative to the dataset's folder."""
    is_hr: bool
    parts: tuple[str, ...]
    """Folders and name without extension, which the partner shares."""

    def exact_key(self) -> tuple[str, ...]:
        return self.parts

    def bare_key(self) -> tuple[str, ...]:
        return *self.parts[:-1], _MARKS[self.is_hr].sub("", self.parts[-1])


class RecordedPairs:
    """Pairs of HR and LR photographs, named by the HR file, in sRGB.

    HR and LR are identified by folder (`HR` and `LR`, `gt` and `lq`, `test_HR` and `test_LR`, ...)
    or by file name (`a_HR.png` and `a_LR4.png`). Otherwise, the paths of partners may differ only
    in the extension and a scale at the end of the LR name (`a_x4`). Files without a partner are
    skipped.

    Reading a pair raises `ImageError` if a file is truncated, or HR is not an integer multiple of
    LR. A remainder of HR of less than one LR pixel is cropped at the right and bottom.

    Args:
        folder: Folder to search, including subfolders; None if `hr` and `lr` are given.
        hr: Folder of HR photographs, with any name.
        lr: Folder of LR photographs.

    Raises:
        DataError: A folder does not exist, or there are no images or no pairs.
    """

    def __init__(
        self, folder: Path | None = None, hr: Path | None = None, lr: Path | None = None
    ) -> None:
        folders = [user_path(path) for path in (folder, hr, lr) if path is not None]
        self.name = " and ".join(map(str, folders))
        sides = (None,) if folder else (True, False)
        files: list[_File] = []
        skipped: list[tuple[str, str]] = []
        for root, is_hr in zip(folders, sides, strict=True):
            paths, unreadable = readable_images(root)
            skipped += unreadable
            for path in paths:
                if file := _identify(path, path.relative_to(root), is_hr):
                    files.append(file)
                else:
                    name = path.relative_to(root).as_posix()
                    skipped.append((name, "neither its folders nor its name say HR or LR"))
        self._pairs, unpaired = _match(files)
        self.skipped = (*skipped, *unpaired)
        if not self._pairs:
            raise DataError(
                f"There is no pair of HR and LR images in {self.name}.",
                "Pass two folders with the same file names: --set data.hr=DIR --set data.lr=DIR",
            )

    @property
    def files(self) -> dict[str, Path]:
        """Paths of the images of all pairs, by `hr/NAME` and `lr/NAME`."""
        sides = ("lr", "hr")
        return {f"{sides[f.is_hr]}/{f.name}": f.path for pair in self._pairs for f in pair}

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Sample:
        high, low = self._pairs[index]
        lr = read_photo(low.path)
        return Sample(high.name, _crop(read_photo(high.path), lr, high, low), lr)


def _identify(path: Path, name: Path, is_hr: bool | None) -> _File | None:
    """Identifies a file as HR or LR, by folder or file name unless `is_hr` is given."""
    parts = name.with_suffix("").parts
    if is_hr is not None:
        return _File(path, name.as_posix(), is_hr, parts)
    for i, part in enumerate(parts):
        if word := _SIDE.search(part):
            rest = part[: word.start()] + part[word.end() :]
            shared = (*parts[:i], rest, *parts[i + 1 :])
            return _File(path, name.as_posix(), word[1] is not None, shared)
    return None


def _match(files: list[_File]) -> tuple[list[tuple[_File, _File]], list[tuple[str, str]]]:
    """Returns pairs sorted by HR path, and (name, reason) for files without a unique partner.

    Equal names are matched first, then names without suffix.
    """
    pairs: list[tuple[_File, _File]] = []
    unmatched = files
    for key in (_File.exact_key, _File.bare_key):
        high, low = (_group(unmatched, key, is_hr) for is_hr in (True, False))
        new = [(high[k][0], low[k][0]) for k in high if len(high[k]) == len(low.get(k, ())) == 1]
        pairs += new
        paired = {file.path for pair in new for file in pair}
        unmatched = [file for file in unmatched if file.path not in paired]
    skipped = [
        (file.name, f"no {'LR' if file.is_hr else 'HR'} image has its name, or more than one has")
        for file in unmatched
    ]
    return sorted(pairs, key=lambda pair: pair[0].path), skipped


def _group(
    files: Iterable[_File], key: Callable[[_File], tuple[str, ...]], is_hr: bool
) -> dict[tuple[str, ...], list[_File]]:
    groups = defaultdict(list)
    for file in files:
        if file.is_hr == is_hr:
            groups[key(file)].append(file)
    return dict(groups)


def _crop(hr: Tensor, lr: Tensor, high: _File, low: _File) -> Tensor:
    (height, width), (rows, columns) = hr.shape[1:], lr.shape[1:]
    factor = min(height // rows, width // columns)
    remainder = (height - factor * rows, width - factor * columns)
    if factor == 0 or max(remainder) >= factor:
        raise ImageError(
            f"{high.path} is {width}x{height} px, which is not an integer multiple of {low.path}, "
            f"{columns}x{rows} px",
            "Crop HR to a multiple of LR, or remove both files",
        )
    return hr[:, : factor * rows, : factor * columns]
