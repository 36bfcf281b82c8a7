"""What a user may write for many files: patterns, folders, lists, and names on the hub."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

from toolkit.plugin import DataError, ImageError, user_path
from toolkit_shards import remote

_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_ON_THE_HUB = re.compile(r"[\w.-]+/[\w.-]+")
_LISTS = (".txt", ".lst", ".list")
_MANY = 1_000_000


def absolute(text: str) -> str:
    """Makes a local path or pattern absolute, so that a run can be resumed from any folder."""
    text = text.removeprefix("file://")
    return text if remote.is_url(text) else str(user_path(text).absolute())


def on_the_hub(text: str) -> str:
    """Returns a path as it is, and `OWNER/NAME` as a pattern of its parquet files on the hub.

    Example:
        >>> on_the_hub("someone/photographs")
        'hf://datasets/someone/photographs/**/*.parquet'
    """
    if _ON_THE_HUB.fullmatch(text) and not user_path(text).exists():
        return f"hf://datasets/{text}/**/*.parquet"
    return text


def expand(text: str, suffix: str) -> list[str]:
    """Returns the files that a user means, in a fixed order.

    Args:
        text: A path or URL with braces, a glob pattern, a folder, or a list of paths.
        suffix: Of the files, such as `.tar`.

    Raises:
        DataError: There are none, or they cannot be listed.
    """
    try:
        urls = [url for part in braces(text) for url in _expand(part, suffix)]
    except ImageError as error:
        raise DataError(str(error), error.hint) from error
    local = [url for url in urls if not remote.is_url(url)]
    if not urls or (len(local) == len(urls) and not any(Path(url).is_file() for url in local)):
        raise DataError(
            f"There is no {suffix} file at {text}.",
            f"Name files with a pattern, data-{{0000..0199}}{suffix} or '*{suffix}', or their "
            f"folder, or a text file with one path or URL a line.",
        )
    return urls


def braces(text: str) -> list[str]:
    """Expands braces as shells do: ranges and alternatives.

    Example:
        >>> braces("a-{08..10}.{tar,TAR}")[:3]
        ['a-08.tar', 'a-08.TAR', 'a-09.tar']

    Raises:
        DataError: There would be more than a million.
    """
    pieces = _BRACES.split(text)
    choices = [_choices(piece) if place % 2 else [piece] for place, piece in enumerate(pieces)]
    count = 1
    for each in choices:
        count *= len(each)
    if count > _MANY:
        raise DataError(f"{text} means {count} files.", "Check the numbers in its braces.")
    return ["".join(each) for each in itertools.product(*choices)]


def _choices(inside: str) -> list[str]:
    if found := _RANGE.fullmatch(inside):
        first, last = (int(number) for number in found.groups())
        if last - first > _MANY:
            raise DataError(f"{{{inside}}} means {last - first + 1} files.", "Check its numbers.")
        return [f"{number:0{len(found[1])}}" for number in range(first, last + 1)]
    return inside.split(",") if "," in inside else [f"{{{inside}}}"]


def _expand(url: str, suffix: str) -> list[str]:
    local = None if remote.is_url(url) else Path(url)
    if local and local.is_file() and not url.endswith(_LISTS):
        return [url]
    if url.endswith(_LISTS):
        lines = remote.read(url).decode("utf-8-sig").splitlines()
        folder = url.rpartition("/")[0] if local is None else str(local.parent)
        return [beside(folder, line.strip()) for line in lines if line.strip()]
    if "*" in url or "?" in url or "[" in url:
        return remote.glob(url)
    if url.endswith(suffix) and not (local and local.is_dir()):
        return [url]
    return remote.glob(f"{url.rstrip('/')}/**/*{suffix}")


def beside(folder: str, line: str) -> str:
    """Returns a line of a list as a path or URL; others are relative to the list's folder.

    Example:
        >>> beside("s3://bucket/lists", "a/1.jpg")
        's3://bucket/lists/a/1.jpg'
    """
    if remote.is_url(line) or user_path(line).is_absolute():
        return line
    return f"{folder}/{line}" if remote.is_url(folder) else str(Path(folder, line))


def common_folder(urls: Sequence[str]) -> str:
    """Returns the folder that contains all files, as the beginning of their paths or URLs.

    Example:
        >>> common_folder(["s3://bucket/aa/0.tar", "s3://bucket/ab/0.tar"])
        's3://bucket/'
    """
    folders = (url.replace("\\", "/").split("/")[:-1] for url in urls)
    levels = itertools.takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    return "".join(f"{level[0]}/" for level in levels)
