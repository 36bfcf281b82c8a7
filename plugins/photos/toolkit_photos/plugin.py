"""The datasets: shipped photographs, and folders of one's own, of pairs too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationInfo, field_validator

from toolkit.component import Component, Options
from toolkit.errors import DataError
from toolkit.hookspecs import hookimpl
from toolkit_photos.published import FFHQ10K, LSDIR, PUBLISHED, Published, open_published

if TYPE_CHECKING:
    from toolkit.interfaces import Dataset

_BOTH = f"{LSDIR.origin}; {FFHQ10K.origin}"
SHIPPED = Path(__file__).parent / "data"


class PhotosOptions(Options):
    """Options of `photos`."""

    split: Literal["train", "heldout"] = "train"
    """68 photographs to train on, or 20 others to measure on; no scene is in both."""


class FolderOptions(Options):
    """Options of `folder`."""

    folder: Path
    """Searched for images, its subfolders too."""
    part: Literal["all", "fit", "validation"] = "all"
    """`validation` is every eighth image, by name, to choose settings by; `fit` is the others."""


class PairsOptions(Options):
    """Options of `pairs`."""

    folder: Path | None = None
    """Searched for HR images and their LR partners, its subfolders too."""
    hr: Path | None = None
    """Instead of one folder: that of the HR images, whatever it is called."""
    lr: Path | None = None
    """That of their LR partners, with files of the same names."""

    @field_validator("lr")
    @classmethod
    def _one_way(cls, lr: Path | None, info: ValidationInfo) -> Path | None:
        given = [info.data.get("folder") is None, info.data.get("hr") is None, lr is None]
        if given not in ([False, True, True], [True, False, False]):
            raise ValueError("Name one folder, pairs:DIR, or else both hr and lr")
        return lr


class PublishedOptions(Options):
    """Options of the datasets that others publish."""

    folder: Path | None = None
    """Where your copy is; else it is looked for in $TOOLKIT_DATA, or in data, by its name."""


def _photos(options: PhotosOptions) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder("photos", SHIPPED / options.split)


def _folder(options: FolderOptions) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder(str(options.folder), options.folder, options.part)


def _pairs(options: PairsOptions) -> Dataset:
    from toolkit_photos.pairs import RecordedPairs

    return RecordedPairs(options.folder, options.hr, options.lr)


def _published(published: Published) -> Callable[[PublishedOptions], Dataset]:
    def build(options: PublishedOptions) -> Dataset:
        return open_published(published, options.folder)

    return build


def _lsdir_ffhq10k(_options: Options) -> Dataset:
    from toolkit_photos.published import Joined

    try:
        parts = [open_published(each, None) for each in (LSDIR, FFHQ10K)]
    except DataError as error:
        raise DataError(str(error), f"{_BOTH}. Put each into data, by its name.") from None
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
        licence="see ATTRIBUTION.toml, photograph by photograph",
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
        summary="LSDIR and FFHQ's first 10,000 faces: what the paper's kin train on",
        build=_lsdir_ffhq10k,
        licence="that of lsdir and of ffhq10k",
        origin=_BOTH,
    )
