"""Registers the datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from toolkit.plugin import Component, Context, Options, hookimpl

if TYPE_CHECKING:
    from toolkit.plugin import Dataset
    from toolkit_shards.copies import Copies
    from toolkit_shards.dataset import Format

SHIPPED = Path(__file__).parent / "data"


class Decoded(Options):
    """How photographs are decoded."""

    min_side: int = Field(0, ge=0)
    """Decode JPEGs at 1/2, 1/4 or 1/8 of their size as long as the shorter side keeps this many
    pixels; 0 for full size."""


class ShardOptions(Decoded):
    """What all shards have in common."""

    group: int = Field(8, ge=1, le=1024)
    """Shards that samples come from in turn."""
    visit: int = Field(256, ge=1)
    """Samples that a shard gives before the next ones are read."""
    cache: float = Field(20.0, gt=0)
    """GB on the disk for copies of remote shards and of parquet files."""


class TarOptions(ShardOptions):
    """Options of `shards`."""

    urls: str
    """`data-{0000..0199}.tar`, `DIR`, `'DIR/*.tar'` or a text file of these; paths or URLs."""

    @field_validator("urls")
    @classmethod
    def _absolute(cls, urls: str) -> str:
        from toolkit_shards.locations import absolute

        return absolute(urls)


class ParquetOptions(ShardOptions):
    """Options of `parquet`."""

    urls: str
    """`OWNER/NAME` on the Hugging Face hub, or files as for `shards`; paths or URLs."""
    column: str = ""
    """The column of images; by default the first one that has any."""

    @field_validator("urls")
    @classmethod
    def _absolute(cls, urls: str) -> str:
        from toolkit_shards.locations import absolute, on_the_hub

        return absolute(on_the_hub(urls))


class ListOptions(Decoded):
    """Options of `list`."""

    urls: str
    """A text file with one path or URL a line, or a folder, whose URL ends with `/`."""

    @field_validator("urls")
    @classmethod
    def _absolute(cls, urls: str) -> str:
        from toolkit_shards.locations import absolute

        return absolute(urls)


def _shards(options: TarOptions, context: Context) -> Dataset:
    from toolkit_shards.dataset import TarFiles

    return _sharded(options, ".tar", TarFiles(_copies(options, context)))


def _parquet(options: ParquetOptions, context: Context) -> Dataset:
    from toolkit_shards.dataset import ParquetFiles

    return _sharded(options, ".parquet", ParquetFiles(_copies(options, context), options.column))


def _sharded(options: TarOptions | ParquetOptions, suffix: str, format_: Format) -> Dataset:
    from toolkit_shards.dataset import Shards
    from toolkit_shards.locations import expand

    urls = expand(options.urls, suffix)
    return Shards(options.urls, urls, format_, options.group, options.visit, options.min_side)


def _list(options: ListOptions, context: Context) -> Dataset:
    from toolkit_shards.listed import ListedPhotographs

    kept = context.cache / "lists"
    return ListedPhotographs(options.urls, options.urls, kept, options.min_side)


def _copies(options: ShardOptions, context: Context) -> Copies:
    from toolkit_shards.copies import Copies

    return Copies(context.cache / "shards", int(options.cache * 1e9))


@hookimpl
def toolkit_components() -> Iterator[Component]:
    """The components of this plugin."""
    yield Component(
        kind="dataset",
        name="shards",
        summary="Tar files of photographs (WebDataset), local or remote",
        build=_shards,
        options=TarOptions,
        variant="urls",
        tiny={"urls": str(SHIPPED / "tiny.tar")},
    )
    yield Component(
        kind="dataset",
        name="parquet",
        summary="Hugging Face datasets: parquet files, local or remote",
        build=_parquet,
        options=ParquetOptions,
        variant="urls",
        tiny={"urls": str(SHIPPED / "tiny.parquet")},
    )
    yield Component(
        kind="dataset",
        name="list",
        summary="Photographs named in a text file, or in a remote folder",
        build=_list,
        options=ListOptions,
        variant="urls",
        tiny={"urls": str(SHIPPED / "tiny.txt")},
    )
