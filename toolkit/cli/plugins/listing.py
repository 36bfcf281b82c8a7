"""`toolkit plugins list` and `show`: the installed components and their options."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, load_registry, note, show_json
from toolkit.component import is_named
from toolkit.errors import UnknownComponentError, did_you_mean

if TYPE_CHECKING:
    from toolkit.component import Component
    from toolkit.distributions import Supplier
    from toolkit.registry import Registry

_WIDEST_NAME = 40
"""Columns of a distribution's name that are never cut off, on a terminal of 80."""

FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]


def list_components(
    word: Annotated[
        str, typer.Argument(metavar="[WORD]", help="Only components that mention this word.")
    ] = "",
    kind: Annotated[str, typer.Option(help="Only this kind, such as loss.")] = "",
    output: FormatOption = Format.table,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """List the installed components by kind, and the distributions that they come from.

    Third-party components name their distribution.

    Examples:
      toolkit plugins list

      toolkit plugins list --kind loss

      toolkit plugins list edges
    """
    from toolkit.component import KINDS
    from toolkit.distributions import suppliers

    registry = load_registry()
    if kind and kind not in KINDS:
        raise UnknownComponentError(f"There is no kind {kind!r}.", f"Kinds: {', '.join(KINDS)}.")
    chosen = [
        component
        for component in registry.components(kind or None)
        if word.lower() in " ".join(map(str, _summary(component, registry).values())).lower()
    ]
    if as_json or output is Format.json:
        notices = [{"distribution": n.distribution, "reason": n.reason} for n in registry.notices]
        rows = [_summary(component, registry) for component in chosen]
        found = [_distribution(supplier) for supplier in suppliers(registry)]
        show_json({"components": rows, "distributions": found, "notices": notices})
    elif not chosen:
        note(f"No component mentions {word!r}. To see all of them: toolkit plugins list")
    else:
        _print_list(chosen, registry)
        if not word and not kind:
            _print_distributions(suppliers(registry))


def _print_list(components: list[Component], registry: Registry) -> None:
    """Prints a line per component, grouped by kind."""
    from rich.console import Console
    from rich.text import Text

    from toolkit.discovery import is_own

    def third_party(component: Component) -> str:
        provider = registry.provider(component)
        return "" if is_own(provider) else provider

    width = max(len(component.name) for component in components)
    console = Console()
    for kind, group in itertools.groupby(components, key=lambda component: component.kind):
        console.print(f"[bold]{kind}[/]")
        for component in group:
            summary, source = Text(component.summary), third_party(component)
            room = console.width - width - 4 - (len(source) + 2 if source else 0)
            summary.truncate(max(room, 20), overflow="ellipsis", pad=bool(source))
            line = Text.assemble(f"  {component.name:<{width}}  ", summary)
            console.print(line + Text(f"  {source}") if source else line, soft_wrap=True)


def _print_distributions(found: list[Supplier]) -> None:
    """Prints version, source and health of each distribution."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    widest = max(len(supplier.name) for supplier in found)
    table.add_column("distribution", no_wrap=True, min_width=min(widest, _WIDEST_NAME))
    table.add_column("version", no_wrap=True, min_width=7)
    table.add_column("health", no_wrap=True, min_width=9)
    table.add_column("from", no_wrap=True, overflow="ellipsis")
    for supplier in found:
        health = "set aside" if supplier.fault else "works"
        table.add_row(supplier.name, supplier.version, health, Text(supplier.source))
    console = Console()
    console.print()
    console.print(table)


def show(
    name: Annotated[str, typer.Argument(help="A component, such as nad or loss/dists.")],
    output: FormatOption = Format.table,
) -> None:
    """Show a component: options with their defaults, paper and licence.

    Example: toolkit plugins show nad
    """
    registry = load_registry()
    found = _named(name, registry)
    if output is Format.json:
        show_json([_detail(component, registry) for component in found])
        return
    from rich.console import Console

    console = Console()
    for component in found:
        _print_detail(console, component, registry)


def _named(name: str, registry: Registry) -> list[Component]:
    """Returns the components of a name, `name` or `kind/name`."""
    found = [component for component in registry.components() if is_named(component, name)]
    if not found:
        names = sorted({component.name for component in registry.components()})
        meant = did_you_mean(name.rpartition("/")[2], names, cutoff=0.5)
        raise UnknownComponentError(
            f"There is no component named {name!r}.{meant}", "To see all: toolkit plugins list"
        )
    return found


def _summary(component: Component, registry: Registry) -> dict[str, Any]:
    return {
        "kind": component.kind,
        "name": component.name,
        "summary": component.summary,
        "distribution": registry.provider(component),
    }


def _distribution(supplier: Supplier) -> dict[str, Any]:
    return {
        "name": supplier.name,
        "version": supplier.version,
        "source": supplier.source,
        "components": supplier.components,
        "healthy": not supplier.fault,
        "fault": supplier.fault,
    }


def _detail(component: Component, registry: Registry) -> dict[str, Any]:
    return {
        **_summary(component, registry),
        "paper": component.paper,
        "licence": component.licence,
        "variant": component.variant,
        "options": component.options.model_json_schema().get("properties", {}),
        "weights": [
            {"name": file.name, "sha256": file.sha256, "size": file.size, "licence": file.licence}
            for file in registry.weights(component)
        ],
    }


def _print_detail(console: Any, component: Component, registry: Registry) -> None:
    from rich.table import Table

    from toolkit.registry import variants

    console.print(
        f"[bold]{component.name}[/]  {component.kind} from {registry.provider(component)}"
    )
    console.print(f"{component.summary}.", highlight=False)
    for label, text in (("Paper", component.paper), ("Licence", component.licence)):
        if text:
            console.print(f"{label}: {text}", highlight=False, markup=False)
    for file in registry.weights(component):
        console.print(f"Weights: {file.name}, {file.size / 1e6:.1f} MB, {file.licence}")
    fields = component.options.model_fields
    if not fields:
        console.print("It takes no options.\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("Option", "Default", "Meaning"):
        table.add_column(column)
    for name, field in fields.items():
        default = "required" if field.is_required() else str(field.get_default())
        meaning = " ".join((field.description or "").split())
        if name == component.variant:
            meaning += f" (as {component.name}:{'|'.join(variants(component)) or '…'})"
        table.add_row(name, default, meaning)
    console.print(table)
    console.print()
