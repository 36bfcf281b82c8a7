"""What pyiqa says of its metrics, read without importing pyiqa, which takes ten seconds."""

from __future__ import annotations

import runpy
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from toolkit.errors import OptionsError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_OF_IMAGES = {
    "fid": "scores folders",
    "sfid": "scores folders",
    "fid_dinov2": "scores folders",
    "inception_score": "scores folders",
    "clipscore": "needs captions",
}


class Entry(NamedTuple):
    """A metric of pyiqa."""

    direction: Literal["higher", "lower"]
    needs_reference: bool


def entry(name: str) -> Entry:
    """What is known of a metric beforehand.

    Raises:
        OptionsError: pyiqa has no metric of this name, or it does not score images.
        ModuleNotFoundError: pyiqa is not installed.
    """
    known = _configurations()
    if name not in known:
        raise OptionsError(
            f"pyiqa has no metric {name!r}.{did_you_mean(name, known)}",
            hint="See them all: python -c 'import pyiqa; print(pyiqa.list_models())'",
        )
    if why := _NOT_OF_IMAGES.get(name):
        raise OptionsError(f"pyiqa's {name!r} {why}; only metrics of single images work here")
    configuration = known[name]
    lower = configuration.get("lower_better", False)
    return Entry("lower" if lower else "higher", configuration.get("metric_mode") == "FR")


@cache
def _configurations() -> Mapping[str, Mapping[str, Any]]:
    spec = find_spec("pyiqa")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'pyiqa'", name="pyiqa")
    # The table alone: this file imports nothing but collections.
    path = Path(spec.submodule_search_locations[0]) / "default_model_configs.py"
    table: Mapping[str, Mapping[str, Any]] = runpy.run_path(str(path))["DEFAULT_CONFIGS"]
    return table
