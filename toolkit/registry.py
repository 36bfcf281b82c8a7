"""(kind, name) → component, filled by plugins alone; a broken plugin never takes the rest along."""

from __future__ import annotations

import difflib
import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal, get_args, get_origin

import pluggy
from pydantic import BaseModel, ValidationError

from toolkit import hookspecs
from toolkit.component import KINDS, Component, Kind, WeightFile, form_fault
from toolkit.errors import OptionsError, PluginWarning, UnknownComponentError, did_you_mean
from toolkit.makers import Maker, admit, at_work
from toolkit.specs import Selection
from toolkit.suppliers import how_to_install

_OWN = "restoration-toolkit"
_LOG = logging.getLogger(__name__)


class PluginError(Exception):
    """Why a plugin is set aside."""


@dataclass(frozen=True)
class Notice:
    """A plugin that was set aside, why, how to be rid of it, and the error, if there was one."""

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
    """The components of all plugins, and notices of the plugins that were set aside."""

    notices: list[Notice] = field(default_factory=list)
    _components: dict[tuple[Kind, str], Component] = field(default_factory=dict)
    _providers: dict[tuple[Kind, str], str] = field(default_factory=dict)

    def add(self, provider: str, components: Iterable[Component]) -> None:
        """Takes all components of a plugin, or none of them.

        Raises:
            PluginError: One is no component, has an ill-formed name, or a name already taken.
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
        """All components, or those of one kind, by kind and name."""
        keys = sorted(self._components, key=lambda key: (KINDS.index(key[0]), key[1]))
        return [self._components[key] for key in keys if kind in (None, key[0])]

    def provider(self, component: Component) -> str:
        """The distribution that a component comes from."""
        return self._providers[component.kind, component.name]

    def weights(self, component: Component) -> tuple[WeightFile, ...]:
        """The files that a component needs, with those of the components that it uses."""
        needed = (file for each in self.with_used(component) for file in each.weights)
        return tuple(dict.fromkeys(needed))

    def with_used(self, component: Component) -> Iterator[Component]:
        """A component, those that it uses, those that these use, and so on; each once."""
        named = {f"{kind}/{name}": each for (kind, name), each in self._components.items()}
        waiting, seen = [component], {f"{component.kind}/{component.name}"}
        while waiting:
            current = waiting.pop(0)
            yield current
            new = [use for use in current.uses if use in named and use not in seen]
            seen.update(new)
            waiting += [named[use] for use in new]

    def expand(self, kind: Kind, selection: Selection) -> Selection:
        """What a name stands for that is not a component's own, if it can only be one thing.

        A variant's name alone, `stablesr` for `realesrgan:stablesr`; or a component that is said
        like a variant, `realesrgan:bsrgan` for `bsrgan`.
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
            UnknownComponentError: There is none; the message suggests the nearest name.
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
                    f"{kind} {component.name!r} has no variants; {selection.use!r} means nothing.",
                    f"Say {component.name!r} alone.",
                )
            given.setdefault(component.variant, selection.variant)
        return validate(component.options, given, f"{kind} {component.name!r}")

    def make(self, kind: Kind, selection: Selection) -> Any:
        """Builds the component's object.

        Raises:
            UnknownComponentError: The name is unknown.
            OptionsError: An option is unknown, ill-typed or out of range.
            ComponentError: Its `build` failed, or returned what is no object of this kind.
            ToolkitError: A library that it needs is not installed; or what its `build` raises.
        """
        selection = self.expand(kind, selection)
        component = self.find(kind, selection.name)
        options = self.options(kind, selection)
        maker = Maker(kind, component.name, self.provider(component))
        with at_work(maker), redirect_stdout(sys.stderr):  # stdout is for results
            made = component.build(options)
        return admit(made, maker)

    def sharing(self) -> Registry:
        """The same components, each selection made once: for plans that name a part many times."""
        return _Sharing(self.notices, self._components, self._providers)


@dataclass
class _Sharing(Registry):
    _made: dict[tuple[Kind, str], Any] = field(default_factory=dict)

    def make(self, kind: Kind, selection: Selection) -> Any:
        key = kind, repr(selection)
        if key not in self._made:
            self._made[key] = super().make(kind, selection)
        return self._made[key]


def variants(component: Component) -> tuple[str, ...]:
    """The names that a component's variant may have, where its option lists them."""
    field = component.options.model_fields.get(component.variant)
    listed = field is not None and get_origin(field.annotation) is Literal
    return get_args(field.annotation) if field and listed else ()


def validate(
    model: type[BaseModel],
    given: Mapping[str, Any],
    owner: str,
    line: Callable[[tuple[str | int, ...]], int | None] = lambda _place: None,
) -> BaseModel:
    """Makes options from plain values, or one `OptionsError` that names every wrong option.

    Args:
        model: Of the options.
        given: The values.
        owner: What they are of, for the error.
        line: Of a file, where a value stands in it, if that is known.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = [(line(item["loc"]), _explain(model, item)) for item in error.errors()]
        details = "; ".join(f"line {at}: {what}" if at else what for at, what in found)
        known = ", ".join(model.model_fields) or "none"
        raise OptionsError(f"{owner}: {details}.", f"Its options: {known}.") from None


def _explain(model: type[BaseModel], item: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, model.model_fields, n=1)
        return f"unknown option {name!r}" + (f" (did you mean {near[0]!r}?)" if near else "")
    message = item["msg"].removeprefix("Value error, ")
    return f"option {name!r} is {item['input']!r}: {message[0].lower()}{message[1:]}"


def load_plugins(points: Iterable[EntryPoint], only: str | None = None) -> Registry:
    """Fills a registry from entry points.

    The toolkit's own distributions come first, so that a newcomer cannot take an established name.

    Args:
        points: Entry points of the group `toolkit`.
        only: Comma-separated distributions or entry-point names to load; all if None.
    """
    registry = Registry()
    wanted = None if only is None else {_plain(name): name.strip() for name in only.split(",")}
    unseen = {each: name for each, name in (wanted or {}).items() if name}
    for point in sorted(points, key=_order):
        names = {_plain(_distribution(point)), _plain(point.name)}
        if wanted is not None and not names & wanted.keys():
            continue
        for name in names:
            unseen.pop(name, None)
        try:
            with redirect_stdout(sys.stderr):  # stdout is for results
                registry.add(_distribution(point), _call(point))
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - a plugin may raise anything, SystemExit too
            reason = f"it failed to load ({type(error).__name__}: {error})"
            reason = str(error) if isinstance(error, PluginError) else reason
            registry.notices.append(Notice(_distribution(point), reason, error))
    for name in sorted(unseen.values()):
        registry.notices.append(Notice(name, "TOOLKIT_PLUGINS names it, but it is not installed"))
    return registry


def _call(point: EntryPoint) -> list[Component]:
    """Imports one plugin and calls its hook, in a plugin manager of its own."""
    manager = pluggy.PluginManager(hookspecs.ENTRY_POINT_GROUP)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(point.load(), name=point.name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"its hook does not fit ({error})") from error
    if not manager.hook.toolkit_components.get_hookimpls():
        raise PluginError(f"{point.value} implements no toolkit_components() hook")
    given = manager.hook.toolkit_components()  # pluggy leaves a None out
    if not given:
        raise PluginError("its toolkit_components() returned None; did it forget to return?")
    return list(given[0])


def _plain(name: str) -> str:
    """A distribution's name as all its spellings have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    name = _distribution(point)
    return not (name == _OWN or name.startswith(f"{_OWN}-")), name, point.name


@functools.cache
def installed() -> Registry:
    """The registry of this environment; `TOOLKIT_PLUGINS` limits which plugins are loaded.

    Warns of every plugin that is set aside. At level DEBUG, it also logs the traceback.
    """
    points = entry_points(group=hookspecs.ENTRY_POINT_GROUP)
    registry = load_plugins(points, os.environ.get("TOOLKIT_PLUGINS"))
    for notice in registry.notices:
        _LOG.debug("%s", notice.distribution, exc_info=notice.error)
        warnings.warn(str(notice), PluginWarning, stacklevel=3)
    return registry
