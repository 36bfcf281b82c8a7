"""Plugins come in by one door; a broken one is set aside, and everything else works."""

import sys
import textwrap
from importlib.metadata import EntryPoint, entry_points

import pytest

from toolkit.component import KINDS
from toolkit.discovery import installed, load_plugins

HEAD = "from toolkit.plugin import Component, hookimpl\n"
HOOK = "@hookimpl\ndef toolkit_components():\n    "
YIELD = "yield Component(kind='loss', name='{}', summary='', build=dict)"
GOOD = f"{HEAD}{HOOK}{YIELD}"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution with one plugin module, as pip would lay it out."""
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = []

    def put(distribution, source):
        module = f"fake_{distribution.replace('-', '_')}_{tmp_path.name}"
        modules.append(module)
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        info = tmp_path / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1")
        (info / "entry_points.txt").write_text(f"[toolkit]\n{distribution}-entry = {module}\n")

    yield put
    for module in modules:
        sys.modules.pop(module, None)


@pytest.fixture
def load(tmp_path):
    """Loads what `install` put there, and nothing else."""

    def load_installed(only=None):
        here = [
            point
            for point in entry_points(group="toolkit")
            if point.value.startswith("fake_") and point.value.endswith(tmp_path.name)
        ]
        return load_plugins(here, only)

    return load_installed


BROKEN = {
    "import fails": ("import no_such_module_anywhere", "no_such_module_anywhere"),
    "syntax": ("def", "SyntaxError"),
    "exit at import": ("raise SystemExit(3)", "SystemExit"),
    "hook raises": (f"{HEAD}{HOOK}raise ValueError('out of order')", "out of order"),
    "hook raises midway": (
        f"{GOOD.format('half')}\n    raise ValueError('out of order')",
        "out of order",
    ),
    "no hook": ("x = 1", "implements no toolkit_components"),
    "hook unmarked": (f"{HEAD}def toolkit_components(): return []", "implements no"),
    "hook misspelled": (f"{HEAD}@hookimpl\ndef toolkit_component(): return []", "toolkit_compon"),
    "hook's arguments": (f"{HEAD}@hookimpl\ndef toolkit_components(all): return []", "all"),
    "hook gives None": (f"{HEAD}{HOOK}return None", "None"),
    "no components": (f"{HEAD}{HOOK}return ['nad']", "'nad', which is not a Component"),
    "bad name": (GOOD.format("Bad Name"), "'Bad Name' is not a valid component name"),
    "unknown kind": (
        f"{HEAD}{HOOK}yield Component(kind='lozz', name='a', summary='', build=dict)",
        "unknown kind 'lozz'",
    ),
    "no such variant": (
        f"{HEAD}{HOOK}yield Component(kind='loss', name='a', summary='', build=dict, variant='w')",
        "no option 'w'",
    ),
    "a build without a context": (
        f"{HEAD}{HOOK}yield Component(kind='loss', name='a', summary='', build=lambda options: 1)",
        "the build of 'a' does not take two arguments",
    ),
    "a newer API": (f"PLUGIN_API = 99\n{GOOD.format('new')}", "upgrade the toolkit"),
    "an older API": (f"PLUGIN_API = 0\n{GOOD.format('old')}", "a newer version of the plugin"),
    "several newer APIs": (f"PLUGIN_API = (98, 99)\n{GOOD.format('new')}", "version 98 or 99 of"),
    "no API": (f"PLUGIN_API = ()\n{GOOD.format('odd')}", "is no version of"),
    "an API among words": (f"PLUGIN_API = (1, 'two')\n{GOOD.format('odd')}", "is no version of"),
    "an API in words": (f"PLUGIN_API = 'one'\n{GOOD.format('odd')}", "is no version of"),
    "the same twice": (
        f"{GOOD.format('twin')}\n    {YIELD.format('twin')}",
        "'twin' is already provided by broken-one",
    ),
}


@pytest.mark.parametrize(("source", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_set_aside_and_the_others_work(install, load, source, reason):
    install("broken-one", source)
    install("sound-one", GOOD.format("fine"))
    registry = load()
    assert [found.name for found in registry.components()] == ["fine"]
    [notice] = registry.notices
    assert notice.distribution == "broken-one"
    assert reason in notice.reason
    assert "The plugin broken-one is set aside" in str(notice)
    assert "pip uninstall broken-one" in str(notice)


@pytest.mark.parametrize("versions", ["1", "(1, 2)", "{0, 1}", "range(1, 4)"])
def test_one_supported_version_of_the_api_suffices(install, load, versions):
    install("sound-one", f"PLUGIN_API = {versions}\n{GOOD.format('fine')}")
    assert load().notices == []


def test_ctrl_c_while_a_plugin_loads_is_no_broken_plugin(install, load):
    install("slow-one", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load()


def test_a_taken_name_stays_with_the_toolkits_own_and_the_newcomer_goes_whole(install, load):
    install("another", f"{GOOD.format('newcomer')}\n    {YIELD.format('taken')}")
    install("restoration-toolkit-own", GOOD.format("taken"))
    registry = load()
    assert [found.name for found in registry.components()] == ["taken"]
    assert registry.provider(registry.find("loss", "taken")) == "restoration-toolkit-own"
    [notice] = registry.notices
    assert notice.distribution == "another"
    assert "its loss 'taken' is already provided by restoration-toolkit-own" in notice.reason


def test_a_distribution_that_only_begins_like_the_toolkit_is_not_its_own(install, load):
    install("restoration-toolkitten", GOOD.format("taken"))
    install("restoration-toolkit-own", GOOD.format("taken"))
    assert [notice.distribution for notice in load().notices] == ["restoration-toolkitten"]


@pytest.mark.parametrize(
    ("only", "names", "noticed"),
    [
        (None, ["first", "second"], []),
        ("one", ["first"], []),
        ("two-entry", ["second"], []),
        (" one , two ", ["first", "second"], []),
        ("one,three", ["first"], ["three"]),
        ("", [], []),
    ],
)
def test_toolkit_plugins_limits_what_is_loaded(install, load, only, names, noticed):
    install("one", GOOD.format("first"))
    install("two", GOOD.format("second"))
    registry = load(only)
    assert [found.name for found in registry.components()] == names
    assert [notice.distribution for notice in registry.notices] == noticed
    assert all("not installed" in notice.reason for notice in registry.notices)


def test_what_is_not_wanted_is_not_even_imported(install, load):
    install("one", GOOD.format("first"))
    install("two", "raise SystemExit")
    assert load("one").notices == []


def test_the_environment_variable_is_read(monkeypatch):
    monkeypatch.setenv("TOOLKIT_PLUGINS", "restoration-toolkit-losses")
    limited = installed.__wrapped__()
    assert {found.kind for found in limited.components()} == {"loss"}


def test_an_entry_point_without_a_distribution_is_called_by_its_module():
    [notice] = load_plugins([EntryPoint("lost", "no_such_module_anywhere", "toolkit")]).notices
    assert notice.distribution == "no_such_module_anywhere"


def test_every_shipped_plugin_loads_without_a_notice():
    registry = installed()
    assert registry.notices == []
    assert {found.kind for found in registry.components()} == set(KINDS)


@pytest.mark.parametrize(
    "only", ["My_Plugin.One", "my-plugin-one", " MY--PLUGIN_one , ", "my_plugin-one-ENTRY"]
)
def test_a_distribution_is_named_in_any_spelling(install, load, only):
    install("my-plugin-one", GOOD.format("soft"))
    install("other", GOOD.format("hard"))
    registry = load(only)
    assert [each.name for each in registry.components()] == ["soft"]
    assert registry.notices == []


def test_a_distribution_that_is_lacking_is_told_as_it_was_written(install, load):
    (notice,) = load("Not_There").notices
    assert notice.distribution == "Not_There"
