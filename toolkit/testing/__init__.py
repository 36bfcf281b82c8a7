"""Conformance checks for components, for the tests of plugins.

With pytest, a plugin names its distribution in `pyproject.toml`::

    [tool.pytest.ini_options]
    toolkit_distribution = "my-plugin"

and a test takes a fixture that is parametrised over all checks of all of its components::

    def test_conformance(toolkit_check):
        toolkit_check()

`toolkit plugins check` runs the same checks without pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolkit.testing.checks import Check, check_component, checks_of
    from toolkit.testing.distributions import components_of

__all__ = ["Check", "check_component", "checks_of", "components_of"]

_PLACES = {
    "Check": "checks",
    "check_component": "checks",
    "checks_of": "checks",
    "components_of": "distributions",
}


def __getattr__(name: str) -> Any:
    # pytest imports this package in every run of an environment that has the toolkit.
    if name in _PLACES:
        return getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
