"""The one door for plugins: a distribution with an entry point in the group `toolkit`.

The entry point names a module that implements this hook::

    from toolkit.hookspecs import hookimpl

    @hookimpl
    def toolkit_components():
        yield Component(kind="loss", name="charbonnier", ...)
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from toolkit.component import Component

ENTRY_POINT_GROUP = "toolkit"

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)


@hookspec
def toolkit_components() -> Iterable[Component]:  # type: ignore[empty-body]
    """Components that the plugin supplies; importing its module must load nothing heavy."""
