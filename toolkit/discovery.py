"""Finds installed plugins and fills a registry; a broken plugin is set aside, the rest works."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterable
from contextlib import redirect_stdout
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from toolkit import hookspecs
from toolkit.component import Component
from toolkit.errors import PluginWarning
from toolkit.registry import Notice, PluginError, Registry

_OWN = "restoration-toolkit"
_LOG = logging.getLogger(__name__)


def load_plugins(points: Iterable[EntryPoint], only: str | None = None) -> Registry:
    """Returns a registry filled from entry points.

    The toolkit's own distributions come first, so that no third party can take their names.

    Args:
        points: Entry points of the group `toolkit`.
        only: Comma-separated names of distributions or entry points to load; None for all.
    """
    registry = Registry()
    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    wanted = None if only is None else {plain_name(name): name.strip() for name in only.split(",")}
    unseen = {each: name for each, name in (wanted or {}).items() if name}
    for point in sorted(points, key=_order):
        names = {plain_name(_distribution(point)), plain_name(point.name)}
        if wanted is not None and not names & wanted.keys():
            continue
        for name in names:
            unseen.pop(name, None)
        try:
            with redirect_stdout(sys.stderr):  # stdout is for results
                registry.add(_distribution(point), _call(manager, point))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            reason = f"it failed to load ({type(error).__name__}: {error})"
            reason = str(error) if isinstance(error, PluginError) else reason
            registry.notices.append(Notice(_distribution(point), reason, error))
    for name in sorted(unseen.values()):
        registry.notices.append(Notice(name, "TOOLKIT_PLUGINS names it, but it is not installed"))
    return registry


def _call(manager: pluggy.PluginManager, point: EntryPoint) -> list[Component]:
    """Imports and registers one plugin, and calls its hook alone."""
    plugin = point.load()
    if fault := _version_fault(getattr(plugin, "PLUGIN_API", hookspecs.PLUGIN_API)):
        raise PluginError(fault)
    name = f"{_distribution(point)}/{point.name}"
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        if manager.has_plugin(name):  # else the plugins after it would fail the check, too
            manager.unregister(name=name)
        raise PluginError(f"its hook does not fit ({error})") from error
    hooks = manager.hook.toolkit_components.get_hookimpls()
    own = next((each for each in hooks if each.plugin_name == name), None)
    if own is None:
        raise PluginError(f"{point.value} implements no toolkit_components() hook")
    given: Any = own.function()
    if given is None:
        raise PluginError("its toolkit_components() returned None; did it forget to return?")
    return list(given)


def _version_fault(version: object) -> str:
    """Returns why a plugin for this version of the API cannot be used; empty if it can."""
    oldest, newest = hookspecs.OLDEST_PLUGIN_API, hookspecs.PLUGIN_API
    several = isinstance(version, tuple | list | set | frozenset | range)
    given: list[Any] = list(version) if several else [version]  # type: ignore[call-overload]
    versions = sorted(each for each in given if isinstance(each, int))
    if not versions or len(versions) < len(given):
        return f"its PLUGIN_API is {version!r}, which is no version of toolkit.plugin"
    if any(oldest <= each <= newest for each in versions):
        return ""
    written = f"it was written for version {' or '.join(map(str, versions))}"
    if versions[-1] > newest:
        return (
            f"{written} of toolkit.plugin, and this toolkit has {newest}: upgrade the toolkit "
            f"(pip install -U {_OWN})"
        )
    return (
        f"{written} of toolkit.plugin, and this toolkit supports {oldest} to {newest}: look for a "
        "newer version of the plugin"
    )


def plain_name(name: str) -> str:
    """Returns a distribution's name in the form in which names are compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    name = _distribution(point)
    return not is_own(name), name, point.name


def is_own(distribution: str) -> bool:
    """Whether a distribution is one of the toolkit's own, rather than a third party's."""
    return distribution == _OWN or distribution.startswith(f"{_OWN}-")


@functools.cache
def installed() -> Registry:
    """Returns the registry of this environment; `TOOLKIT_PLUGINS` limits which plugins are loaded.

    Warns about every plugin that is set aside, and logs its traceback at level DEBUG.
    """
    points = entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    registry = load_plugins(points, os.environ.get("TOOLKIT_PLUGINS"))
    for notice in registry.notices:
        _LOG.debug("%s", notice.distribution, exc_info=notice.error)
        warnings.warn(str(notice), PluginWarning, stacklevel=3)
    return registry
