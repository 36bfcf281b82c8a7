"""How lossy formats encode: quality and chroma subsampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from toolkit.errors import UsageError

Subsampling = Literal["4:4:4", "4:2:2", "4:2:0"]
_SUBSAMPLINGS: tuple[Subsampling, ...] = get_args(Subsampling)
_USUAL = 95
_USUAL_HEIC = 85
"""That is finer than 95 in JPEG."""
_FULL_COLOUR = 90
"""Quality from which colours are stored at full resolution."""
_LEAST = 75
"""A restored image is not written worse than this: the blocks that were removed would come back."""


@dataclass(frozen=True)
class Encoding:
    """Quality and chroma subsampling; None leaves the choice to `write_picture`.

    Attributes:
        quality: From 1 to 100, as in libjpeg; each format has its own scale.
        subsampling: Resolution of the colours beside that of the brightness: 4:4:4 the same, 4:2:2
            half of the width, 4:2:0 half of the width and height.

    Raises:
        UsageError: A value is out of range.
    """

    quality: int | None = None
    subsampling: Subsampling | None = None

    def __post_init__(self) -> None:
        quality = self.quality
        if quality is not None and (isinstance(quality, bool) or quality not in range(1, 101)):
            raise UsageError(
                f"The quality {quality} is out of range", hint="Give a whole number from 1 to 100"
            )
        if self.subsampling is not None and self.subsampling not in _SUBSAMPLINGS:
            raise UsageError(
                f"The subsampling {self.subsampling!r} is unknown",
                hint=f"Use one of {' '.join(_SUBSAMPLINGS)}",
            )


class Settled(NamedTuple):
    """An encoding without anything left to choose."""

    quality: int
    subsampling: Subsampling


class Lossy(NamedTuple):
    """What can be chosen in a format."""

    name: str
    quality: bool = True
    subsamplings: tuple[Subsampling, ...] = ()


_JPEG, _HEIC = Lossy("JPEG", True, _SUBSAMPLINGS), Lossy("HEIC", True, _SUBSAMPLINGS)
_FORMATS = {
    **dict.fromkeys((".jfif", ".jpe", ".jpeg", ".jpg"), _JPEG),
    **dict.fromkeys((".heic", ".heif", ".hif"), _HEIC),
    ".avif": Lossy("AVIF", True, _SUBSAMPLINGS),
    ".jxl": Lossy("JPEG XL", True, ("4:4:4",)),
    ".webp": Lossy("WebP", True, ("4:2:0",)),
    ".png": Lossy("PNG", False),
    ".bmp": Lossy("BMP", False),
    **dict.fromkeys((".tif", ".tiff"), Lossy("TIFF", False)),
}


def check_encoding(encoding: Encoding, suffix: str) -> None:
    """Checks that a format has what an encoding asks for.

    Raises:
        UsageError: It has not: it is lossless, or has another subsampling only.
    """
    format_ = _FORMATS.get(suffix.lower())
    if format_ is None:
        return
    if encoding.quality is not None and not format_.quality:
        raise UsageError(
            f"{format_.name} is lossless, so a quality of {encoding.quality} cannot be chosen",
            hint="Leave the quality out, or write a .jpg, .webp, .avif, .heic or .jxl file",
        )
    if encoding.subsampling in {None, *format_.subsamplings}:
        return
    if format_.subsamplings:
        reason = f"{format_.name} always has {format_.subsamplings[0]}"
    else:
        reason = f"{format_.name} stores all colours"
    raise UsageError(
        f"{reason}, so a subsampling of {encoding.subsampling} cannot be chosen",
        hint="Leave the subsampling out, or write a .jpg, .avif or .heic file",
    )


def possible(asked: Encoding, suffix: str) -> Encoding:
    """Returns what is asked for as far as a format has it."""
    for encoding in (asked, Encoding(quality=asked.quality), Encoding(None, asked.subsampling)):
        try:
            check_encoding(encoding, suffix)
        except UsageError:
            continue
        return encoding
    return Encoding()


def settle(asked: Encoding, source: Encoding, suffix: str) -> Settled:
    """Chooses what is not asked for: a JPEG follows its source, which was a JPEG if it has quality.

    Raises:
        UsageError: See `check_encoding`.
    """
    check_encoding(asked, suffix)
    format_ = _FORMATS.get(suffix)
    usual = _USUAL_HEIC if format_ is _HEIC else _USUAL
    if format_ is _JPEG and source.quality is not None:
        usual = max(source.quality, _LEAST)
    quality = usual if asked.quality is None else asked.quality
    fine = quality >= (_USUAL_HEIC if format_ is _HEIC else _FULL_COLOUR)
    full: Subsampling = "4:4:4" if fine else "4:2:0"
    return Settled(quality, asked.subsampling or source.subsampling or full)
