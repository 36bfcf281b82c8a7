"""The hook that plugins implement.

A plugin is a distribution with an entry point in the group `toolkit`. The entry point names a
module that implements the hook::

    from toolkit.plugin import Component, hookimpl

    PLUGIN_API = 1

    @hookimpl
    def toolkit_components():
        yield Component(kind="loss", name="charbonnier", ...)
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from toolkit.component import Component

ENTRY_POINT_GROUP = "toolkit"
PLUGIN_API = 1
"""Version of `toolkit.plugin`; increases with every incompatible change to it."""
OLDEST_PLUGIN_API = 1
"""The oldest version that is still supported."""

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def toolkit_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Yields the plugin's components; importing the module must not load torch or diffusers."""
