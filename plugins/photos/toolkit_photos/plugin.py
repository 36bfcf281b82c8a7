"""Registers the datasets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from toolkit.plugin import Component, Context, DataError, Options, hookimpl
from toolkit_photos.published import FFHQ10K, LSDIR, PUBLISHED, Published, open_published

if TYPE_CHECKING:
    from toolkit.plugin import Dataset

_BOTH = f"{LSDIR.origin}. {FFHQ10K.origin}"
SHIPPED = Path(__file__).parent / "data"


class PhotosOptions(Options):
    """Options of `photos`."""

    split: Literal["train", "heldout"] = "train"
    """68 photographs for training, or 20 of other scenes for evaluation."""


class FolderOptions(Options):
    """Options of `folder`."""

    folder: Path
    """Folder of images, searched including subfolders."""
    part: Literal["all", "fit", "validation"] = "all"
    """`validation` is every eighth image by name, for choosing settings; `fit` is the others."""
    min_side: int = Field(default=0, ge=0)
    """Decode JPEGs at 1/2, 1/4 or 1/8 of their size as long as the shorter side keeps this many
    pixels; 0 for full size."""


class PairsOptions(Options):
    """Options of `pairs`."""

    folder: Path | None = None
    """Folder of HR and LR images, searched including subfolders."""
    hr: Path | None = None
    """Folder of HR images with any name, instead of `folder`."""
    lr: Path | None = None
    """Folder of LR images, with the same file names as in `hr`."""

    @field_validator("lr")
    @classmethod
    def _check_folders(cls, lr: Path | None, info: ValidationInfo) -> Path | None:
        missing = [info.data.get("folder") is None, info.data.get("hr") is None, lr is None]
        if missing not in ([False, True, True], [True, False, False]):
            raise ValueError("Pass either one folder, pairs:DIR, or both hr and lr")
        return lr


class PublishedOptions(Options):
    """Options of published datasets."""

    folder: Path | None = None
    """Folder of your copy; by default the dataset's name in $TOOLKIT_DATA or data."""


def _photos(options: PhotosOptions, _context: Context) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder("photos", SHIPPED / options.split)


def _folder(options: FolderOptions, _context: Context) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder(str(options.folder), options.folder, options.part, options.min_side)


def _pairs(options: PairsOptions, _context: Context) -> Dataset:
    from toolkit_photos.pairs import RecordedPairs

    return RecordedPairs(options.folder, options.hr, options.lr)


def _published(published: Published) -> Callable[[PublishedOptions, Context], Dataset]:
    def build(options: PublishedOptions, _context: Context) -> Dataset:
        return open_published(published, options.folder)

    return build


def _lsdir_ffhq10k(_options: Options, _context: Context) -> Dataset:
    from toolkit_photos.published import Joined

    try:
        parts = [open_published(published, None) for published in (LSDIR, FFHQ10K)]
    except DataError as error:
        raise DataError(str(error), f"{_BOTH}. Save them as data/lsdir and data/ffhq10k.") from None
    return Joined("lsdir+ffhq10k", parts, LSDIR.count + FFHQ10K.count)


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="dataset",
        name="photos",
        summary="Freely licensed photographs that ship with the toolkit",
        build=_photos,
        options=PhotosOptions,
        variant="split",
        licence="various, see ATTRIBUTION.toml",
    )
    yield Component(
        kind="dataset",
        name="folder",
        summary="Your own images, any size, subfolders too",
        build=_folder,
        options=FolderOptions,
        variant="folder",
        tiny={"folder": SHIPPED / "heldout"},
    )
    yield Component(
        kind="dataset",
        name="pairs",
        summary="Photographs recorded in high and in low resolution",
        build=_pairs,
        options=PairsOptions,
        variant="folder",
        tiny={"hr": SHIPPED / "heldout", "lr": SHIPPED / "heldout"},  # each paired with itself
    )
    for published in PUBLISHED:
        yield Component(
            kind="dataset",
            name=published.name,
            summary=published.summary,
            build=_published(published),
            options=PublishedOptions,
            variant="folder",
            licence=published.licence,
            origin=published.origin,
        )
    yield Component(
        kind="dataset",
        name="lsdir+ffhq10k",
        summary="LSDIR and FFHQ's first 10,000 faces, to train on",
        build=_lsdir_ffhq10k,
        licence="those of lsdir and ffhq10k",
        origin=_BOTH,
    )
