"""Names of components for the completion of a shell, which loads no networks' library."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.component import Kind

Completer = Callable[[str], list[tuple[str, str]]]


def names_of(kind: Kind) -> Completer:
    """Returns a function that completes the name of a component of a kind.

    It returns names with their summaries. Where there is none, shells offer files, which suits
    options that also take a run or a folder.
    """

    def complete(incomplete: str) -> list[tuple[str, str]]:
        from toolkit.discovery import installed

        components = installed().components(kind)
        return [
            (each.name, each.summary) for each in components if each.name.startswith(incomplete)
        ]

    return complete
