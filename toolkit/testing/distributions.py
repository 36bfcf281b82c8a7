"""The components of one distribution, so that its tests cannot pass with nothing tested."""

from __future__ import annotations

import warnings

from toolkit.component import Component
from toolkit.errors import PluginWarning
from toolkit.registry import installed


def components_of(distribution: str) -> list[Component]:
    """The components of a distribution, to parametrise its tests over; never none.

    `toolkit.components()` lacks those of a plugin that failed to import, and a test that is
    parametrised over what is left passes.

    Args:
        distribution: As `pip list` names it, such as `toolkit-example-plugin`.

    Raises:
        AssertionError: Its plugin is set aside (raised from the plugin's own error), is not
            installed, or supplies nothing.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        registry = installed()
    for notice in registry.notices:
        if notice.distribution == distribution:
            raise AssertionError(str(notice)) from notice.error
    found = [c for c in registry.components() if registry.provider(c) == distribution]
    if not found:
        known = sorted({registry.provider(each) for each in registry.components()})
        raise AssertionError(
            f"No component comes from {distribution!r}; those that are loaded: {', '.join(known)}"
        )
    return found
