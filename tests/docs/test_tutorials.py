"""The code of each tutorial is a plugin that loads, and whose component passes the kit."""

import importlib
import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from toolkit.component import KINDS
from toolkit.discovery import load_plugins
from toolkit.testing import check_component

TUTORIALS = Path(__file__).parents[2] / "docs" / "plugins"
FILE = re.compile(r'^```python title="([\w/]+\.py)"\n(.*?)^```$', re.DOTALL | re.MULTILINE)


def files(text):
    """The files of a tutorial: paths, and the code of the blocks that have them as titles."""
    return dict(FILE.findall(text))


@pytest.fixture
def load(tmp_path, monkeypatch):
    """Writes files, and returns the registry of the plugin that they are."""
    monkeypatch.syspath_prepend(tmp_path)
    packages = set()

    def load_(written):
        for name, code in written.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(code, encoding="utf-8")
            packages.add(path.parent.name)
        (module,) = (name for name in written if name.endswith("/plugin.py"))
        importlib.invalidate_caches()
        value = module.removesuffix(".py").replace("/", ".")
        return load_plugins([EntryPoint("tutorial", value, "toolkit")])

    yield load_
    for name in [each for each in sys.modules if each.partition(".")[0] in packages]:
        del sys.modules[name]


@pytest.mark.parametrize("kind", KINDS)
def test_a_tutorial_is_a_plugin_that_passes_the_kit(kind, load):
    written = files((TUTORIALS / f"{kind}.md").read_text(encoding="utf-8"))
    registry = load(written)
    assert registry.notices == []
    (component,) = registry.components()
    assert component.kind == kind
    check_component(component)


@pytest.mark.parametrize("kind", KINDS)
def test_all_code_of_a_tutorial_is_in_its_files(kind):
    text = (TUTORIALS / f"{kind}.md").read_text(encoding="utf-8")
    assert text.count("```python") == len(files(text)) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_importing_a_plugin_loads_nothing_heavy(kind):
    code = files((TUTORIALS / f"{kind}.md").read_text(encoding="utf-8"))
    (plugin,) = (text for name, text in code.items() if name.endswith("/plugin.py"))
    top = [line for line in plugin.splitlines() if line.startswith(("import ", "from "))]
    assert all(line.split()[1].partition(".")[0] in {"pydantic", "toolkit"} for line in top)
