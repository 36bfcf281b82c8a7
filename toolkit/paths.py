"""Paths as users write them."""

from __future__ import annotations

from pathlib import Path


def user_path(text: str | Path) -> Path:
    """A path with its `~` or `~NAME` resolved, wherever the shell has left it, as in `--out=~/big`.

    One that names no known home is an ordinary name.
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
