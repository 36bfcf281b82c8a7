"""Paths typed by users."""

from __future__ import annotations

from pathlib import Path


def absolute_if_there(text: str) -> str:
    """Makes the path of something that exists absolute, so that a recipe can be used elsewhere.

    Other texts, such as names, are returned as they are.
    """
    try:
        path = user_path(text)
        return str(path.absolute()) if path.exists() else text
    except OSError:  # file name too long
        return text


def user_path(text: str | Path) -> Path:
    """Expands `~` or `~NAME`, which shells leave unexpanded in `--out=~/big`.

    An unknown home is kept as an ordinary name.
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
