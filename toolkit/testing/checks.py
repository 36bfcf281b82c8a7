"""The checks of each kind of component, by name. Importing this module does not load torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from toolkit.component import Component, Kind

if TYPE_CHECKING:
    from toolkit.testing.subject import Subject


@dataclass(frozen=True)
class Check:
    """A named check of a component.

    Attributes:
        name: Its name in reports, such as `gradients`.
        where: The function, as `module.function` in `toolkit.testing`. It raises `AssertionError`,
            or returns what it measured, if anything.
    """

    name: str
    where: str

    def __str__(self) -> str:
        return self.name

    def function(self) -> Callable[[Subject], str | None]:
        """Imports the function, whose module may load torch."""
        module, _, name = self.where.partition(".")
        found: Any = getattr(importlib.import_module(f"toolkit.testing.{module}"), name)
        return found  # type: ignore[no-any-return]


_BEFORE = (
    Check("description", "about.description"),
    Check("options", "about.options"),
    Check("licences", "about.licences"),
    Check("start-up", "start_up.start_up"),
    Check("contract", "building.contract"),
)
"""Checks of every component that need none of its calls."""
_META = Check("meta", "building.meta")
_DEVICES = Check("devices", "devices.devices")
_STATE = Check("state", "state.state")
# `devices` comes last, as it moves the object away.
_OF_KIND: dict[Kind, tuple[Check, ...]] = {
    "generator": (
        Check("shapes", "generators.shapes"),
        Check("gradients", "generators.gradients"),
        Check("determinism", "generators.determinism"),
        _STATE,
        _META,
        Check("restorer", "generators.restorer"),
        _DEVICES,
    ),
    "discriminator": (
        Check("shapes", "discriminators.shapes"),
        Check("gradients", "discriminators.gradients"),
        Check("determinism", "discriminators.determinism"),
        Check("precision", "discriminators.precision"),
        _STATE,
        _META,
        _DEVICES,
    ),
    "loss": (
        Check("shapes", "losses.shapes"),
        Check("gradients", "losses.gradients"),
        Check("determinism", "losses.determinism"),
        Check("precision", "losses.precision"),
        _META,
        _DEVICES,
    ),
    "degradation": (
        Check("shapes", "degradations.shapes"),
        Check("determinism", "degradations.determinism"),
        Check("histories", "degradations.histories"),
    ),
    "backbone": (
        Check("shapes", "backbones.shapes"),
        Check("gradients", "backbones.gradients"),
        Check("determinism", "backbones.determinism"),
        _META,
    ),
    "metric": (
        Check("shapes", "metrics.shapes"),
        Check("determinism", "metrics.determinism"),
    ),
    "dataset": (
        Check("shapes", "datasets.shapes"),
        Check("determinism", "datasets.determinism"),
    ),
    "restorer": (
        Check("shapes", "restorers.shapes"),
        Check("determinism", "restorers.determinism"),
        _META,
        _DEVICES,
    ),
    "tracker": (Check("tracking", "trackers.tracking"),),
}


def checks_of(component: Component) -> list[Check]:
    """Returns the checks of a component's kind, in the order in which they are best run."""
    return [*_BEFORE, *_OF_KIND[component.kind]]


def check_component(component: Component) -> None:
    """Builds a component with its tiny options and runs all checks of its kind.

    A component whose data cannot be redistributed, and are not here, passes.

    Raises:
        AssertionError: A check failed; the message names the component, the distribution and the
            check, and says what came back and what was expected.
        WeightsError: Its weights cannot be obtained.
    """
    from toolkit.testing.running import examine
    from toolkit.testing.subject import Subject

    subject = Subject.of(component)
    for check in checks_of(component):
        examine(subject, check).demand()
