"""The fixtures for tests of plugins, in the pytest run of a plugin's author."""

import subprocess
import sys
import textwrap

import pytest

from toolkit.discovery import installed

pytest_plugins = ["pytester"]

PLUGIN = """
from toolkit.component import Component, Options
from toolkit.hookspecs import hookimpl


class Mean(Options):
    power: float = 2.0
    {docstring}


class Distance:
    def __init__(self, power):
        self.power = power

    def __call__(self, prediction, target):
        return ((prediction - target).abs() ** self.power).flatten(1).mean(1)

    def to(self, device):
        pass


def build(options, _context):
    return Distance(options.power)


@hookimpl
def toolkit_components():
    yield Component(kind="loss", name="rough", summary="A distance", build=build, options=Mean)
"""
GOOD = PLUGIN.format(docstring='"""The power."""')
TEST = "def test_conformance(toolkit_check):\n    toolkit_check()\n"


@pytest.fixture
def author(pytester, monkeypatch):
    """A plugin `my-plugin` that is installed, and its tests, which name it."""
    monkeypatch.syspath_prepend(str(pytester.path))

    def write(plugin=GOOD, test=TEST, distribution="my-plugin"):
        info = pytester.path / "my_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-plugin\nVersion: 1.0")
        (info / "entry_points.txt").write_text("[toolkit]\nmine = my_plugin\n")
        pytester.makepyfile(my_plugin=textwrap.dedent(plugin), test_mine=textwrap.dedent(test))
        ini = f'toolkit_distribution = "{distribution}"' if distribution else ""
        pytester.makepyprojecttoml(
            f'[tool.pytest.ini_options]\n{ini}\nfilterwarnings = ["error"]\naddopts = "-ra"\n'
        )
        installed.cache_clear()
        return pytester

    yield write
    sys.modules.pop("my_plugin", None)
    installed.cache_clear()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"plugin": "import no_such_library"}, "*my-plugin is set aside*No module named*"),
        ({"distribution": "another"}, "*'another' supplies no component; loaded distributions: *"),
        ({"distribution": ""}, "pytest does not know which distribution it tests.*"),
    ],
)
def test_a_plugin_without_components_fails(author, change, told):
    test = TEST + "def test_each(toolkit_component):\n    pass\n"
    result = author(test=test, **change).runpytest_inprocess()
    result.assert_outcomes(failed=1, errors=1)
    result.stdout.fnmatch_lines([told])
    result.stdout.no_fnmatch_line("*Traceback*")


FIXTURES = """
import pytest
import toolkit

def test_component(toolkit_component):
    assert (toolkit_component.kind, toolkit_component.name) == ("loss", "rough")

def test_backbone(toolkit_backbone):
    assert toolkit_backbone.latent_channels == 16

def test_photographs(toolkit_photographs):
    for path in toolkit_photographs.iterdir():
        assert toolkit.restore(path, "bicubic").size >= (256, 256)

class TestMine:
    @pytest.fixture
    def toolkit_recipe(self, toolkit_recipe):
        return {**toolkit_recipe, "loss": {"rough": {"power": 1.5}}}

    def test_run(self, toolkit_run, toolkit_photographs):
        assert '"rough"' in (toolkit_run / "logs" / "train.jsonl").read_text()
        photograph = sorted(toolkit_photographs.iterdir())[2]
        assert toolkit.restore(photograph, str(toolkit_run)).size == (256, 256)

def test_run(toolkit_run, toolkit_runs):
    assert '"mse"' in (toolkit_run / "logs" / "train.jsonl").read_text()
    assert len(toolkit_runs) == 2
"""


@pytest.mark.slow
def test_every_check_is_a_test_and_fixtures_give_what_a_plugin_is_tried_with(author):
    # In a process of its own, as PyTorch cannot be imported again in this one.
    plugin = PLUGIN.format(docstring="")
    result = author(plugin, FIXTURES + TEST).runpytest_subprocess("-v")
    result.assert_outcomes(passed=15, failed=1)
    told = "The loss 'rough' of my-plugin fails the check 'options': option 'power' needs a docst*"
    result.stdout.fnmatch_lines(["*test_conformance?loss/rough-gradients? PASSED*", told])
    result.stdout.no_fnmatch_line("*running.py*")


def test_pytest_loads_nothing_for_it_but_two_empty_packages():
    code = (
        "import sys, typing, pytest, importlib.metadata as m; before = set(sys.modules);"
        "[p] = [p for p in m.entry_points(group='pytest11') if p.name == 'toolkit']; p.load();"
        "print(*sorted(set(sys.modules) - before))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["toolkit", "toolkit.testing", "toolkit.testing.pytest_plugin"]
