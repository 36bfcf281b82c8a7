"""Photographs in parquet files, as Hugging Face's datasets have them.

Parquet compresses many rows together, so that one row alone cannot be read. Each file is therefore
rewritten as a tar file when it is first needed, row by row.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from toolkit.plugin import DataError, ImageError
from toolkit_shards import remote

_ROWS = 16
"""Rows that are in memory at a time."""
_BUFFER = 1 << 20
_USUAL = ("image", "img", "jpg", "jpeg", "png", "webp", "photo", "picture")


def rewrite(url: str, column: str, path: Path) -> None:
    """Writes the images of a parquet file into a tar file, whose members are named `row N`.

    Rows without an image become empty members, so that they are missed when they are drawn.

    Args:
        url: The parquet file.
        column: Name of the column of images; found by its type if empty.
        path: The tar file.

    Raises:
        ImageError: The parquet file cannot be read.
        DataError: It has no such column, or pyarrow is not installed.
    """
    try:
        from pyarrow import ArrowInvalid
    except ImportError as error:
        raise DataError(
            "Parquet files are read by pyarrow, which is not installed.",
            "pip install 'restoration-toolkit-shards[parquet]'",
        ) from error

    def work() -> None:
        try:
            with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as tar:
                for row, image in enumerate(_images(url, column), start=1):
                    member = tarfile.TarInfo(f"row {row}")
                    member.size = len(image)
                    tar.addfile(member, io.BytesIO(image))
        except ArrowInvalid as error:
            raise ImageError(
                f"{url} is damaged, or no parquet file: {error}", "Copy or download the file again"
            ) from error

    remote.patiently(url, work)


def _images(url: str, column: str) -> Iterator[bytes]:
    """Yields the images of all rows as file contents; empty where there is none."""
    from pyarrow.parquet import ParquetFile

    with (
        remote.open_file(url) as stream,
        ParquetFile(stream, buffer_size=_BUFFER, pre_buffer=False) as file,
    ):
        name = _column(url, file.schema_arrow, column)
        for batch in file.iter_batches(_ROWS, columns=[name], use_threads=False):
            for value in batch.column(0):
                yield _content(value.as_py())


def _content(value: Any) -> bytes:
    """Returns the content of an image: of the column itself, or in a structure with its path."""
    content = value.get("bytes") if isinstance(value, dict) else value
    return content if isinstance(content, bytes) else b""


def _column(url: str, schema: Any, column: str) -> str:
    """Returns the name of the column of images."""
    from pyarrow import types

    def has_images(kind: Any) -> bool:
        if types.is_struct(kind):
            return any(kind.field(i).name == "bytes" for i in range(kind.num_fields))
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    found = [field.name for field in schema if has_images(field.type)]
    if column:
        found = [column] if column in found else []
    if not found:
        wanted = f"images in its column {column!r}" if column else "a column of images"
        raise DataError(
            f"{url} does not have {wanted}; its columns: {', '.join(schema.names)}.",
            "Name a column of file contents: --set data.column=NAME",
        )
    return next((name for name in _USUAL if name in found), found[0])
