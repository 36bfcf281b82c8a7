"""A plugin that fails to load: what is told of it, and what its print may not spoil."""

import json
import subprocess
import sys
import warnings

import pytest

import toolkit
from toolkit.discovery import installed
from toolkit.errors import ComponentError, PluginWarning
from toolkit.testing import components_of

BROKEN = 'print("A word at the import.")\nimport no_such_library\n'


def test_what_a_plugin_prints_is_no_result(faulty, cli, photo_folder):
    listed = cli("plugins", "list", "--format", "json")
    assert {each["distribution"] for each in listed.document["components"]} > {"faulty-plugin"}
    assert "A word at the import." in listed.err


def test_a_plugin_that_is_set_aside_is_told_and_its_traceback_with_debug(install, cli, caplog):
    install(BROKEN)
    listed = cli("plugins", "list", "--format", "json")
    [notice] = listed.document["notices"]
    assert notice["distribution"] == "faulty-plugin"
    assert "Notice: The plugin faulty-plugin is set aside: it failed to load" in listed.err
    assert "faulty_plugin.py" not in caplog.text
    installed.cache_clear()
    sys.modules.pop("faulty_plugin", None)
    cli("plugins", "list", "--debug")
    assert 'faulty_plugin.py", line 2, in <module>' in caplog.text


def test_from_a_shell_debug_shows_the_traceback_of_a_plugin_set_aside(install, tmp_path):
    install(BROKEN)
    command = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[:] = ['toolkit', 'plugins', "
        "'list', '--format', 'json', *sys.argv[1:]]; from toolkit.cli import main; main()"
    )
    for debug in ([], ["--debug"]):
        done = subprocess.run(
            [sys.executable, "-c", command, *debug], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["notices"]
        assert ("in <module>\n    import no_such_library" in done.stderr) == bool(debug)
        assert "PluginWarning" not in done.stderr


@pytest.mark.parametrize("call", [toolkit.components, lambda: toolkit.make("loss", "mse")])
def test_in_python_a_warning_tells_of_a_plugin_set_aside(install, call):
    install(BROKEN)
    with pytest.warns(PluginWarning, match="faulty-plugin is set aside: it failed to load") as told:
        call()
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call()  # it is told once


def test_tests_over_the_components_of_a_broken_plugin_cannot_pass(install):
    install(BROKEN)
    with pytest.raises(AssertionError, match="faulty-plugin is set aside") as told:
        components_of("faulty-plugin")
    assert isinstance(told.value.__cause__, ModuleNotFoundError)
    assert components_of("restoration-toolkit-losses")


def test_the_components_of_a_distribution_are_its_own_and_never_none(faulty):
    found = components_of("faulty-plugin")
    assert {(each.kind, each.name) for each in found} >= {("loss", "map"), ("restorer", "blank")}
    assert all(installed().provider(each) == "faulty-plugin" for each in found)
    assert components_of("Faulty_Plugin") == found  # names are compared as pip does
    with pytest.raises(AssertionError, match=r"'faulty' supplies no component.*faulty-plugin"):
        components_of("faulty")


def test_in_python_the_error_names_the_component(faulty):
    with pytest.raises(ComponentError, match="The loss 'raising' of faulty-plugin failed with Val"):
        toolkit.make("loss", "raising")
