"""A component under test: builds it, and keeps what was built for further checks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from toolkit.component import Component, Context
from toolkit.discovery import installed
from toolkit.makers import Maker
from toolkit.registry import Registry, build
from toolkit.weights import WeightFile

UNKNOWN = "this plugin"
"""The distribution of a component that is not installed."""


def demand(condition: object, message: str) -> None:
    """Raises `AssertionError` unless a condition holds, also if Python runs with `-O`."""
    if not condition:
        raise AssertionError(message)


@dataclass
class Subject:
    """A component under test.

    Attributes:
        component: The component.
        registry: Supplies components that it makes.
        distribution: The distribution that supplies it.
    """

    component: Component
    registry: Registry
    distribution: str = UNKNOWN
    _made: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, component: Component) -> Subject:
        """Returns the subject of a component, installed or not."""
        registry = installed()
        known = any(each is component for each in registry.components())
        return cls(component, registry, registry.provider(component) if known else UNKNOWN)

    @property
    def maker(self) -> Maker:
        """The component as errors name it."""
        return Maker(self.component.kind, self.component.name, self.distribution)

    @property
    def options(self) -> BaseModel:
        """Its tiny options."""
        return self.component.options.model_validate(dict(self.component.tiny))

    @property
    def made(self) -> Any:
        """The object, built once; a check leaves it as it was."""
        if not self._made:
            self._made.append(self.build())
        return self._made[0]

    def take(self) -> Any:
        """Returns the object for a check that changes it; the next check has a new one."""
        made = self.made
        self._made.clear()
        return made

    def build(self, *, read_weights: bool = True) -> Any:
        """Builds the object anew, with the same random weights each time.

        Raises:
            AssertionError: It fetches a file that no component declares, or any at all although
                `read_weights` is false.
            ComponentError: `build` failed, or returned an object that does not fit the kind.
        """
        import torch

        context = _Watched(self.registry, read_weights=read_weights, declared=self._declared())
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return build(self.component, self.options, context, self.maker)

    def _declared(self) -> frozenset[WeightFile]:
        known = {file for each in self.registry.components() for file in each.weights}
        return frozenset(known.union(self.component.weights))


@dataclass(frozen=True)
class _Watched(Context):
    """A context that notices which weight files are fetched."""

    declared: frozenset[WeightFile] = frozenset()

    def fetch(self, file: WeightFile) -> Any:
        demand(
            self.read_weights,
            f"`build` fetches {file.name!r} although `context.read_weights` is false; networks "
            "without values suffice then",
        )
        demand(
            file in self.declared,
            f"`build` fetches {file.name!r}, which is not among the component's `weights`",
        )
        return super().fetch(file)
