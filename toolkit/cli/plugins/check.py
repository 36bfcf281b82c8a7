"""`toolkit plugins check`: gives a plugin's components the checks of the conformance kit."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli.output import Format, note, show_json, working
from toolkit.component import is_named
from toolkit.errors import UnknownComponentError, UsageError, did_you_mean

if TYPE_CHECKING:
    from toolkit.component import Component
    from toolkit.testing.checkout import Checkout
    from toolkit.testing.running import Outcome

_MARKS = {"passed": ("✓", "green"), "failed": ("✗", "red"), "not checked": ("–", "yellow")}


@dataclass
class _Report:
    """What was found out about a distribution.

    Attributes:
        distribution: Its name.
        source: Where its code is, for the report.
        fault: Why it cannot be loaded; empty if it can.
        components: Those to be checked.
        outcomes: Of each component, in order.
    """

    distribution: str
    source: str
    fault: str = ""
    components: list[Component] = field(default_factory=list)
    outcomes: list[list[Outcome]] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """Number of checks by state; a plugin that cannot be loaded counts as one that failed."""
        found = Counter[str](each.state for checks in self.outcomes for each in checks)
        return found + Counter({"failed": int(bool(self.fault))})


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="[PATH|DISTRIBUTION]",
            help="A plugin's folder, or an installed distribution; by default all third parties'.",
        ),
    ] = "",
    component: Annotated[
        str, typer.Option(metavar="NAME", help="Only this component, as nad or loss/dists.")
    ] = "",
    output: Annotated[Format, typer.Option("--format", help="Format of the output.")] = (
        Format.table
    ),
) -> None:
    """Check whether a plugin's components do what their kinds ask for.

    Builds each with its options for tests. A folder need not be installed. Exits with 1 if a check
    fails. Weight files that a component needs are downloaded.

    Examples:
      toolkit plugins check ./my-plugin

      toolkit plugins check my-plugin --component loss/mine
    """
    with _found(target) as checkout:
        if checkout:
            reports = [_loaded(checkout.label, str(checkout.folder))]
        else:
            reports = [_loaded(name, "installed") for name in _installed(target)]
        if component:
            _narrow(reports, component)
        for report in reports:
            _run(report, show=output is Format.table)
    total = sum((report.counts for report in reports), Counter[str]())
    if output is Format.json:
        show_json(_document(reports, total))
    elif not reports:
        note("No third-party plugin is installed. To check a folder: toolkit plugins check PATH")
    else:
        _print_total(reports, total)
    if total["failed"]:
        raise typer.Exit(1)


def _found(target: str) -> AbstractContextManager[Checkout | None]:
    """Opens the folder that is named, or nothing if it is the name of a distribution."""
    from toolkit.paths import user_path
    from toolkit.testing.checkout import Checkout, opened

    path, is_path = user_path(target), target.startswith((".", "~")) or Path(target).name != target
    if target and path.is_dir() and (is_path or (path / "pyproject.toml").exists()):
        return opened(Checkout(path))
    if target and is_path:
        raise UsageError(f"There is no folder {target}.", "Name a plugin's folder.")
    return nullcontext()


def _installed(target: str) -> list[str]:
    """Returns the distribution of a name, or all of third parties.

    Raises:
        UsageError: There is none of this name.
    """
    from toolkit.discovery import is_own
    from toolkit.suppliers import is_installed
    from toolkit.testing.distributions import nearest, providers, quietly_installed

    with working():
        registry = quietly_installed()
    known = sorted(providers(registry) | {notice.distribution for notice in registry.notices})
    if not target:
        return [name for name in known if not is_own(name)]
    if found := nearest(target, known):
        return [found]
    if is_installed(target):
        raise UsageError(
            f"{target} is installed, but is no plugin: it has no entry point in the group "
            "'toolkit'.",
            f"Plugins here: {', '.join(known)}.",
        )
    raise UsageError(
        f"There is no plugin {target!r} installed, and no such folder."
        f"{did_you_mean(target, known)}",
        f"Plugins here: {', '.join(known)}. A folder: toolkit plugins check ./FOLDER",
    )


def _loaded(distribution: str, source: str) -> _Report:
    from toolkit.testing.distributions import components_of

    with working():
        try:
            return _Report(distribution, source, components=components_of(distribution))
        except AssertionError as error:
            return _Report(distribution, source, str(error))


def _narrow(reports: list[_Report], only: str) -> None:
    """Leaves only the components of a name, `name` or `kind/name`.

    Raises:
        UnknownComponentError: There is none.
    """
    known = [each for report in reports for each in report.components]
    for report in reports:
        report.components = [each for each in report.components if is_named(each, only)]
    if not any(report.components or report.fault for report in reports):
        meant = did_you_mean(only.rpartition("/")[2], [each.name for each in known])
        raise UnknownComponentError(
            f"There is no component {only!r}.{meant}",
            f"Those to be checked: {', '.join(f'{each.kind}/{each.name}' for each in known)}.",
        )


def _run(report: _Report, *, show: bool) -> None:
    """Checks the components of a distribution; shows each when it is done."""
    from toolkit.testing.distributions import quietly_installed
    from toolkit.testing.running import examine_all
    from toolkit.testing.subject import Subject

    registry = quietly_installed()
    if show and (report.components or report.fault):
        _print_title(report)
    for component in report.components:
        outcomes = list(examine_all(Subject(component, registry, registry.provider(component))))
        report.outcomes.append(outcomes)
        if show:
            _print_component(outcomes)


def _print_title(report: _Report) -> None:
    from rich.console import Console

    Console().print(f"[bold]{report.distribution}[/] ({report.source})", highlight=False)


def _print_component(outcomes: list[Outcome]) -> None:
    """Prints a line per check: whether it passed, and else what is wrong."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console, component = Console(), outcomes[0].component
    table = Table(box=None, pad_edge=False, show_header=False)
    for outcome in outcomes:
        mark, style = _MARKS[outcome.state]
        table.add_row(f"  [{style}]{mark}[/]", outcome.check.name, Text(outcome.message))
    console.print(f"{component.kind} [bold]{component.name}[/]", highlight=False)
    console.print(table)


def _print_total(reports: list[_Report], total: Counter[str]) -> None:
    from rich.console import Console

    console = Console()
    for report in reports:
        if report.fault:
            console.print(f"[red]✗[/] {report.fault}", highlight=False)
    components = sum(len(report.outcomes) for report in reports)
    states = ", ".join(f"{total[state]} {state}" for state in _MARKS if total[state])
    plural = "" if components == 1 else "s"
    console.print(f"Checked {components} component{plural}: {states}.", highlight=False)


def _document(reports: list[_Report], total: Counter[str]) -> dict[str, Any]:
    return {
        "distributions": [
            {
                "distribution": report.distribution,
                "source": report.source,
                "fault": report.fault,
                "components": [_component_document(outcomes) for outcomes in report.outcomes],
            }
            for report in reports
        ],
        **{state.replace(" ", "_"): total[state] for state in _MARKS},
    }


def _component_document(outcomes: list[Outcome]) -> dict[str, Any]:
    component = outcomes[0].component
    return {
        "kind": component.kind,
        "name": component.name,
        "checks": [
            {
                "check": each.check.name,
                "state": each.state,
                "message": each.message,
                "seconds": round(each.seconds, 3),
            }
            for each in outcomes
        ],
    }
