"""Paths typed by users."""

from __future__ import annotations

from pathlib import Path


def user_path(text: str | Path) -> Path:
    """Expands `~` or `~NAME`, which shells leave unexpanded in `--out=~/big`.

    An unknown home is kept as an ordinary name.
    """
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path
