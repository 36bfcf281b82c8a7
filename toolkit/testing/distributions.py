"""Collects the components of a distribution for its tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from fnmatch import fnmatchcase

from toolkit.component import Component
from toolkit.discovery import installed, plain_name
from toolkit.errors import PluginWarning
from toolkit.registry import Registry


def components_of(distribution: str) -> list[Component]:
    """Returns the components of a distribution, at least one, to parametrise its tests.

    `toolkit.components()` omits plugins that failed to import; tests parametrised over it would
    pass without testing anything.

    Args:
        distribution: Its name in `pip list`, such as `toolkit-example-plugin`. With `*`, all
            distributions that match.

    Raises:
        AssertionError: Its plugin failed to load (the cause is the plugin's error), is not
            installed, or supplies no component.
    """
    registry = quietly_installed()
    for notice in registry.notices:
        if matches(notice.distribution, distribution):
            raise AssertionError(str(notice)) from notice.error
    components = [c for c in registry.components() if matches(registry.provider(c), distribution)]
    if not components:
        loaded = ", ".join(sorted(providers(registry)))
        raise AssertionError(
            f"{distribution!r} supplies no component; loaded distributions: {loaded}. Install it "
            "into this environment (pip install -e .); its pyproject.toml needs an entry point in "
            "the group `toolkit`"
        )
    return components


def quietly_installed() -> Registry:
    """Returns the registry of this environment without warning of plugins that are set aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PluginWarning)
        return installed()


def providers(registry: Registry) -> set[str]:
    """Returns the distributions that supply components."""
    return {registry.provider(component) for component in registry.components()}


def matches(name: str, pattern: str) -> bool:
    """Whether a distribution has a name, which may contain `*`; as pip compares names."""
    return fnmatchcase(plain_name(name), plain_name(pattern))


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns the known distribution of this name; empty if there is none."""
    return next((each for each in known if plain_name(each) == plain_name(name)), "")
