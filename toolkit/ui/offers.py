"""Which restorers the page offers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit import defaults
from toolkit.errors import OptionsError
from toolkit.specs import Selection
from toolkit.weights import lacking, path_of

if TYPE_CHECKING:
    from toolkit.component import Component
    from toolkit.registry import Registry
    from toolkit.weights import WeightFile

_LARGEST_DOWNLOAD = 200e6
"""Bytes that one click may download."""


@dataclass(frozen=True)
class Offer:
    """A restorer to choose.

    Attributes:
        source: What `toolkit.load` takes.
        label: What the page calls it; shows no folder of this machine.
        summary: A line about it.
        download: Bytes of weights that its first use downloads.
    """

    source: str
    label: str
    summary: str
    download: int = 0


def offers(registry: Registry, named: Sequence[str] = ()) -> list[Offer]:
    """Returns the restorers that the page offers, the first of which it chooses.

    Those of the command line come first, then the default, then those that work without a network,
    networks before interpolation, then those whose weights a click may download. Restorers that
    need an option, a licence, a file of the user's or a large download are left out.

    Args:
        registry: Has the restorers.
        named: Names of restorers, folders of runs, and checkpoints, from the command line.
    """
    known = {each.name: each for each in registry.components("restorer")}
    listed = [_named(source, known.get(source), named) for source in dict.fromkeys(named)]
    rest = [each for name, each in known.items() if name not in named]
    usable = [each for each in rest if _usable(each, registry)]
    usable.sort(key=lambda each: (each.name != defaults.RESTORER, not registry.weights(each)))
    found = [_offer(each, registry) for each in usable]
    return listed + sorted(found, key=lambda each: each.download > 0)


def _named(source: str, component: Component | None, named: Iterable[str]) -> Offer:
    if component:
        return Offer(source, source, component.summary)
    label = Path(source).stem if source.endswith(".safetensors") else Path(source).name
    alone = [Path(each).name for each in named].count(Path(source).name) == 1
    return Offer(source, label if label and alone else source, "From the command line")


def _usable(component: Component, registry: Registry) -> bool:
    try:
        registry.options("restorer", Selection(use=component.name))
    except OptionsError:
        return False
    missing = _missing(component, registry)
    fetched = all(file.sources and file.sha256 for file in missing) and not lacking(missing)
    return fetched and sum(file.size for file in missing) <= _LARGEST_DOWNLOAD


def _offer(component: Component, registry: Registry) -> Offer:
    size = sum(file.size for file in _missing(component, registry))
    return Offer(component.name, component.name, component.summary, size)


def _missing(component: Component, registry: Registry) -> list[WeightFile]:
    return [file for file in registry.weights(component) if not path_of(file).is_file()]
