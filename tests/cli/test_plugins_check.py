"""`toolkit plugins check`: of a folder, of what is installed, as lines and as JSON."""

import sys
import textwrap

import pytest

from toolkit.discovery import installed

PLUGIN = """
from toolkit.component import Component
from toolkit.hookspecs import hookimpl

class Distance:
    def __call__(self, prediction, target):
        {work}

    def to(self, device):
        pass

@hookimpl
def toolkit_components():
    for name in ("first", "second"):
        yield Component(kind="loss", name=name, summary="A distance", build=lambda *_: Distance())
"""
GOOD = PLUGIN.format(work="return (prediction - target).square().flatten(1).mean(1)")
SCALAR = PLUGIN.format(work="return (prediction - target).square().mean()")
PROJECT = """
[project]
name = "my-plugin"
version = "1.0"
[project.entry-points.toolkit]
mine = "my_package.plugin"
"""


@pytest.fixture
def folder(tmp_path):
    """Writes the folder of a plugin that is not installed."""

    def write(source=GOOD, project=PROJECT, package="src/my_package"):
        (tmp_path / "pyproject.toml").write_text(project)
        place = tmp_path / package
        place.mkdir(parents=True)
        (place / "__init__.py").touch()
        (place / "plugin.py").write_text(textwrap.dedent(source))
        return tmp_path

    return write


def test_a_folder_is_checked_without_installing_it(cli, folder):
    result = cli("plugins", "check", folder())
    assert result.code == 0, result.err
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0][0] == "my-plugin"
    assert lines.count(["✓", "gradients"]) == 2
    assert lines[-1] == ["Checked", "2", "components:", "22", "passed."]
    assert "my_package" not in sys.modules
    assert all(each.name != "first" for each in installed().components("loss"))


def test_what_is_wrong_is_named_and_the_status_is_1(cli, folder):
    result = cli("plugins", "check", folder(SCALAR), "--component", "loss/second")
    assert result.code == 1
    assert "Traceback" not in result.err
    [line] = [line for line in result.out.splitlines() if "✗  shapes" in line]
    assert "returned a tensor [] of float32 as a distance of each image, not a float" in line
    assert "loss first" not in result.out


def test_the_report_is_one_json_document(cli, folder):
    result = cli("plugins", "check", folder(SCALAR), "--format", "json")
    assert result.code == 1
    [distribution] = result.document["distributions"]
    assert distribution["distribution"] == "my-plugin"
    assert [each["name"] for each in distribution["components"]] == ["first", "second"]
    checks = {each["check"]: each for each in distribution["components"][0]["checks"]}
    assert checks["description"]["state"] == "passed"
    assert checks["shapes"]["state"] == "failed"
    assert "returned a tensor []" in checks["shapes"]["message"]
    assert result.document["failed"] > 0


def test_a_plugin_that_cannot_be_loaded_fails(cli, folder):
    result = cli("plugins", "check", folder("import no_such_library"))
    assert result.code == 1
    assert "✗ The plugin my-plugin is set aside: it failed to load (ModuleNotFound" in result.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"project": "[project"}, "pyproject.toml cannot be read: "),
        ({"project": '[project]\nname = "my-plugin"'}, "names no entry point in the group"),
        ({"package": "deep/down/my_package"}, "my_package cannot be loaded from "),
    ],
)
def test_a_folder_that_cannot_be_used_is_told(mistake, folder, change, told):
    shown = mistake("plugins", "check", folder(**change))
    assert told in shown
    assert told.startswith("pyproject") or "pip install -e " in shown


def test_what_is_installed_is_checked_by_its_name_or_as_a_third_party(cli, install, mistake):
    install(GOOD)
    for target in (["Faulty_Plugin"], []):
        document = cli("plugins", "check", *target, "--format", "json").document
        assert [each["distribution"] for each in document["distributions"]] == ["faulty-plugin"]
        assert document["passed"] == 22
    assert "no component 'frist'. Did you mean 'first'?" in mistake(
        "plugins", "check", "faulty-plugin", "--component", "frist"
    )


def test_without_third_parties_there_is_nothing_to_check(cli):
    result = cli("plugins", "check")
    assert (result.code, result.out) == (0, "")
    assert "No third-party plugin is installed" in result.err


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("restoration-toolkit-loses", "Did you mean 'restoration-toolkit-losses'?"),
        ("pydantic", "pydantic is installed, but is no plugin"),
        ("./nowhere", "There is no folder ./nowhere"),
    ],
)
def test_what_is_no_plugin_is_told(mistake, target, told):
    assert told in mistake("plugins", "check", target)
