"""The datasets: shipped photographs, and folders of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from toolkit.interfaces import Dataset

SHIPPED = Path(__file__).parent / "data"


class PhotosOptions(Options):
    """Options of `photos`."""

    split: Literal["train", "heldout"] = "train"
    """68 photographs to train on, or 20 others to measure on; no scene is in both."""


class FolderOptions(Options):
    """Options of `folder`."""

    folder: Path
    """Searched for images, its subfolders too."""


def _photos(options: PhotosOptions) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder("photos", SHIPPED / options.split)


def _folder(options: FolderOptions) -> Dataset:
    from toolkit_photos.folder import ImageFolder

    return ImageFolder(str(options.folder), options.folder)


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
