"""The conformance kit in pytest: `toolkit_check` and other fixtures for the tests of plugins.

pytest imports this module in every run of an environment with the toolkit, so that it imports
nothing else at its top.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from toolkit.component import Component
    from toolkit.interfaces import Backbone
    from toolkit.testing.checks import Check
    from toolkit.testing.subject import Subject

_INI = "toolkit_distribution"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option that names the distribution under test."""
    parser.addini(_INI, "The distribution whose components are tested, such as `my-plugin`.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrises over the distribution's components, and over the checks of each."""
    if "toolkit_check" in metafunc.fixturenames:
        _parametrise(metafunc, "toolkit_check", _pairs)
    if "toolkit_component" in metafunc.fixturenames:
        _parametrise(metafunc, "toolkit_component", _components)


def _parametrise(
    metafunc: pytest.Metafunc, fixture: str, found: Callable[[str], dict[str, Any]]
) -> None:
    """Parametrises a fixture; if nothing can be tested, over the error alone, which then fails."""
    try:
        values = found(metafunc.config.getini(_INI))
    except AssertionError as error:
        values = {"no-component": error}
    metafunc.parametrize(fixture, list(values.values()), indirect=True, ids=list(values))


def _pairs(name: str) -> dict[str, tuple[Component, Check]]:
    from toolkit.testing.checks import checks_of

    return {
        f"{named}-{check}": (component, check)
        for named, component in _components(name).items()
        for check in checks_of(component)
    }


def _components(name: str) -> dict[str, Component]:
    from toolkit.testing.distributions import components_of

    if not name.strip():
        message = (
            "pytest does not know which distribution it tests. Name it in pyproject.toml:\n"
            f'[tool.pytest.ini_options]\n{_INI} = "my-plugin"'
        )
        raise AssertionError(message)
    return {f"{each.kind}/{each.name}": each for each in components_of(name.strip())}


@pytest.fixture
def toolkit_component(request: pytest.FixtureRequest) -> Component:
    """Each component that the distribution registers."""
    if isinstance(request.param, AssertionError):
        pytest.fail(str(request.param), pytrace=False)
    component: Component = request.param
    return component


@pytest.fixture
def toolkit_check(request: pytest.FixtureRequest) -> Callable[[], None]:
    """Each check of each component that the distribution registers, as a function to call."""
    given = request.param

    def run() -> None:
        __tracebackhide__ = True
        if isinstance(given, AssertionError):
            pytest.fail(str(given), pytrace=False)
        from toolkit.testing.running import examine

        component, check = given
        outcome = examine(_subject(component), check)
        if outcome.state == "failed" and isinstance(outcome.error, AssertionError):
            pytest.fail(str(outcome), pytrace=False)  # the message says it all
        outcome.demand()
        if outcome.state == "not checked":
            pytest.skip(str(outcome))

    return run


_KEPT: list[Subject] = []
"""The component that was checked last, with its object, which may be large."""


def _subject(component: Component) -> Subject:
    from toolkit.testing.subject import Subject

    if not _KEPT or _KEPT[0].component is not component:
        _KEPT[:] = [Subject.of(component)]
    return _KEPT[0]


@pytest.fixture(scope="session")
def toolkit_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three small images that look a little like photographs; not to be changed."""
    from toolkit.testing.runs import write_photographs

    folder = tmp_path_factory.mktemp("toolkit-photographs")
    write_photographs(folder)
    return folder


@pytest.fixture
def toolkit_backbone() -> Backbone:
    """The small backbone that ships with the toolkit, for parts that are built on one."""
    from toolkit.component import Context
    from toolkit.testing.distributions import quietly_installed

    backbone: Backbone = Context(quietly_installed()).make_backbone()
    return backbone


@pytest.fixture
def toolkit_recipe(toolkit_photographs: Path) -> dict[str, Any]:
    """The tables of a complete recipe of two tiny steps, to be changed at will.

    A test, or a fixture of this name that overrides it, sets a component of the plugin:
    `toolkit_recipe["loss"] = "charbonnier"`.
    """
    from toolkit.testing.runs import recipe_tables

    return recipe_tables(toolkit_photographs)


@pytest.fixture
def toolkit_run(
    toolkit_recipe: dict[str, Any],
    toolkit_runs: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a run trained by `toolkit_recipe`, once for each recipe; not to be changed."""
    from toolkit.testing.runs import train

    key = json.dumps(toolkit_recipe, sort_keys=True, default=str)
    if key not in toolkit_runs:
        toolkit_runs[key] = train(tmp_path_factory.mktemp("toolkit-run") / "run", toolkit_recipe)
    return toolkit_runs[key]


@pytest.fixture(scope="session")
def toolkit_runs() -> dict[str, Path]:
    """The runs that were trained for tests, by recipe."""
    return {}
