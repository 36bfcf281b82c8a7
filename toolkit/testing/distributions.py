"""Collects the components of a distribution for its tests."""

from __future__ import annotations

import warnings

from toolkit.component import Component
from toolkit.discovery import installed
from toolkit.errors import PluginWarning


def components_of(distribution: str) -> list[Component]:
    """Returns the components of a distribution, at least one, to parametrise its tests.

    `toolkit.components()` omits plugins that failed to import; tests parametrised over it would
    pass without testing anything.

    Args:
        distribution: Its name in `pip list`, such as `toolkit-example-plugin`.

    Raises:
        AssertionError: Its plugin failed to load (the cause is the plugin's error), is not
            installed, or supplies no component.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        registry = installed()
    for notice in registry.notices:
        if notice.distribution == distribution:
            raise AssertionError(str(notice)) from notice.error
    components = [c for c in registry.components() if registry.provider(c) == distribution]
    if not components:
        loaded = sorted({registry.provider(component) for component in registry.components()})
        raise AssertionError(
            f"{distribution!r} supplies no component; loaded distributions: {', '.join(loaded)}"
        )
    return components
