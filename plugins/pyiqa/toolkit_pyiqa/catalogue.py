"""Reads pyiqa's table of metrics without importing pyiqa, which takes ten seconds."""

from __future__ import annotations

import runpy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from toolkit.plugin import OptionsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_UNSUPPORTED = {
    "fid": "scores folders",
    "sfid": "scores folders",
    "fid_dinov2": "scores folders",
    "inception_score": "scores folders",
    "clipscore": "needs captions",
}


class Entry(NamedTuple):
    """Properties of a metric."""

    direction: Literal["higher", "lower"]
    needs_reference: bool


def entry(name: str) -> Entry:
    """Looks up a metric.

    Raises:
        OptionsError: pyiqa has no metric of this name, or it does not score single images.
        ModuleNotFoundError: pyiqa is not installed.
    """
    configurations = _configurations()
    if name not in configurations:
        raise OptionsError(
            f"pyiqa has no metric {name!r}.{did_you_mean(name, configurations)}",
            hint="List all: python -c 'import pyiqa; print(pyiqa.list_models())'",
        )
    if reason := _UNSUPPORTED.get(name):
        raise OptionsError(
            f"pyiqa's {name!r} {reason}; only metrics of single images are supported"
        )
    configuration = configurations[name]
    lower = configuration.get("lower_better", False)
    return Entry("lower" if lower else "higher", configuration.get("metric_mode") == "FR")


@cache
def _configurations() -> Mapping[str, Mapping[str, Any]]:
    spec = find_spec("pyiqa")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'pyiqa'", name="pyiqa")
    # This file of pyiqa only imports collections.
    path = Path(spec.submodule_search_locations[0]) / "default_model_configs.py"
    table: Mapping[str, Mapping[str, Any]] = runpy.run_path(str(path))["DEFAULT_CONFIGS"]
    return table
