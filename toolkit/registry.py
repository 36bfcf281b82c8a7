"""The registry: components by kind and name, all of them from plugins."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from toolkit.component import KINDS, Component, Context, Kind, form_fault
from toolkit.errors import OptionsError, UnknownComponentError, did_you_mean
from toolkit.makers import Maker, admit, at_work
from toolkit.specs import Selection
from toolkit.suppliers import how_to_install
from toolkit.validation import validate
from toolkit.weights import WeightFile


class PluginError(Exception):
    """A plugin cannot be used; the message says why."""


@dataclass(frozen=True)
class Notice:
    """A plugin that was set aside.

    Attributes:
        distribution: The plugin's distribution.
        reason: Why it was set aside.
        error: The exception behind it, if there was one.
    """

    distribution: str
    reason: str
    error: BaseException | None = None

    def __str__(self) -> str:
        return (
            f"The plugin {self.distribution} is set aside: {self.reason}. "
            f"Everything else works. To remove it: pip uninstall {self.distribution}"
        )


@dataclass
class Registry:
    """The components of all plugins, and notices about plugins that were set aside."""

    notices: list[Notice] = field(default_factory=list)
    _components: dict[tuple[Kind, str], Component] = field(default_factory=dict)
    _providers: dict[tuple[Kind, str], str] = field(default_factory=dict)

    def add(self, provider: str, components: Iterable[Component]) -> None:
        """Adds all components of a plugin, or none of them.

        Raises:
            PluginError: A component is invalid, or its name is taken.
        """
        found: dict[tuple[Kind, str], Component] = {}
        for component in components:
            if fault := form_fault(component):
                raise PluginError(fault)
            key = component.kind, component.name
            holder = self._providers.get(key, provider if key in found else "")
            if holder:
                raise PluginError(
                    f"its {component.kind} {component.name!r} is already provided by {holder}"
                )
            found[key] = component
        self._components |= found
        self._providers |= dict.fromkeys(found, provider)

    def components(self, kind: Kind | None = None) -> list[Component]:
        """Returns all components, or those of one kind, sorted by kind and name."""
        keys = sorted(self._components, key=lambda key: (KINDS.index(key[0]), key[1]))
        return [self._components[key] for key in keys if kind in (None, key[0])]

    def provider(self, component: Component) -> str:
        """Returns the distribution that supplies a component."""
        return self._providers[component.kind, component.name]

    def weights(self, component: Component) -> tuple[WeightFile, ...]:
        """Returns the weight files of a component and of the components that it uses."""
        needed = (file for each in self.with_used(component) for file in each.weights)
        return tuple(dict.fromkeys(needed))

    def with_used(self, component: Component) -> Iterator[Component]:
        """Yields a component and, recursively, those that it uses; each once."""
        named = {f"{kind}/{name}": each for (kind, name), each in self._components.items()}
        waiting, seen = [component], {f"{component.kind}/{component.name}"}
        while waiting:
            current = waiting.pop(0)
            yield current
            new = [use for use in current.uses if use in named and use not in seen]
            seen.update(new)
            waiting += [named[use] for use in new]

    def expand(self, kind: Kind, selection: Selection) -> Selection:
        """Resolves short names that are unambiguous; returns other selections unchanged.

        A variant alone, `stablesr` for `realesrgan:stablesr`, or a component written like a
        variant, `realesrgan:bsrgan` for `bsrgan`.
        """
        use, component = selection.use, self._components.get((kind, selection.name))
        if component is None:
            owners = [each for each in self.components(kind) if use in variants(each)]
            use = f"{owners[0].name}:{use}" if len(owners) == 1 else use
        elif (listed := variants(component)) and selection.variant not in listed:
            use = selection.variant if (kind, selection.variant) in self._components else use
        return Selection(use=use, options=selection.options)

    def find(self, kind: Kind, name: str) -> Component:
        """Looks a component up.

        Raises:
            UnknownComponentError: There is none of this name; the message suggests the nearest one.
        """
        if component := self._components.get((kind, name)):
            return component
        names = [component.name for component in self.components(kind)]
        sayable = names + [each for c in self.components(kind) for each in variants(c)]
        meant = did_you_mean(name, sayable, cutoff=0.5)
        known = ", ".join(names) or "none is installed"
        way = how_to_install(kind, name)
        raise UnknownComponentError(
            f"There is no {kind} named {name!r}.{meant}",
            f"{way}Known: {known}. To see all of them: toolkit plugins list",
            kind,
            name,
        )

    def options(self, kind: Kind, selection: Selection) -> BaseModel:
        """Validates a selection's options, its variant among them.

        Raises:
            UnknownComponentError: The name is unknown.
            OptionsError: An option is unknown, ill-typed or out of range.
        """
        selection = self.expand(kind, selection)
        component = self.find(kind, selection.name)
        given = dict(selection.options)
        if selection.variant:
            if not component.variant:
                raise OptionsError(
                    f"{kind} {component.name!r} has no variants: {selection.use!r} is not valid.",
                    f"Use {component.name!r}.",
                )
            given.setdefault(component.variant, selection.variant)
        with at_work(Maker(kind, component.name, self.provider(component))):
            return validate(component.options, given, f"{kind} {component.name!r}")

    def make(self, kind: Kind, selection: Selection, context: Context | None = None) -> Any:
        """Builds the component's object.

        Args:
            kind: Its kind.
            selection: Its name and options.
            context: Passed to `build`; by default one with the default backbone.

        Raises:
            UnknownComponentError: The name is unknown.
            OptionsError: An option is unknown, ill-typed or out of range.
            ComponentError: Its `build` failed, or returned an object that does not fit its kind.
            ToolkitError: A library that it needs is not installed; or raised by its `build`.
        """
        selection = self.expand(kind, selection)
        component = self.find(kind, selection.name)
        options = self.options(kind, selection)
        maker = Maker(kind, component.name, self.provider(component))
        return build(component, options, context or Context(self), maker)

    def sharing(self) -> Registry:
        """Returns a registry of the same components that builds each selection only once."""
        return _Sharing(self.notices, self._components, self._providers)


@dataclass
class _Sharing(Registry):
    _made: dict[tuple[Kind, str, str, bool], Any] = field(default_factory=dict)

    def make(self, kind: Kind, selection: Selection, context: Context | None = None) -> Any:
        context = context or Context(self)
        key = kind, repr(selection), repr(context.backbone), context.read_weights
        if key not in self._made:
            self._made[key] = super().make(kind, selection, context)
        return self._made[key]


def build(component: Component, options: BaseModel, context: Context, maker: Maker) -> Any:
    """Calls a component's `build`, and admits what it returns."""
    with at_work(maker), redirect_stdout(sys.stderr):  # stdout is for results
        made = component.build(options, context)
    return admit(made, maker)


def variants(component: Component) -> tuple[str, ...]:
    """Returns the allowed values of a component's variant, if its option lists them."""
    field = component.options.model_fields.get(component.variant)
    listed = field is not None and get_origin(field.annotation) is Literal
    return get_args(field.annotation) if field and listed else ()
