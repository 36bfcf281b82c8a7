"""Plugins are installed into the environment of the toolkit, whose versions are kept."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from toolkit import installing
from toolkit.errors import ToolkitError

PLUGIN = """
from toolkit.plugin import Component, hookimpl
@hookimpl
def toolkit_components():
    yield Component(kind="loss", name="blunt", summary="Nothing", build=lambda o, c: None)
"""


def wheel(folder, source, requires="", version="1.0"):
    """Writes the wheel of a plugin `toolkit-blunt`."""
    path = folder / f"toolkit_blunt-{version}-py3-none-any.whl"
    info = f"toolkit_blunt-{version}.dist-info"
    head = f"Metadata-Version: 2.1\nName: toolkit-blunt\nVersion: {version}\n"
    files = {
        "toolkit_blunt.py": source,
        f"{info}/METADATA": head + requires,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[toolkit]\nblunt = toolkit_blunt\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (files | {f"{info}/RECORD": record}).items():
            archive.writestr(name, text)
    return path


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A new environment, in which everything of this one can be imported."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    ours = sysconfig.get_path("purelib")
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = subprocess.check_output([python, "-c", code], text=True).strip()
    (Path(theirs) / "ours.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    return python


def run(python, *arguments):
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    return subprocess.run(
        [python, "-m", "toolkit", "plugins", *map(str, arguments)],
        check=False, capture_output=True, text=True, env=environment,
    )  # fmt: skip


@pytest.mark.slow
def test_frozen_plugins_are_installed_again(environment, tmp_path):
    done = run(environment, "install", wheel(tmp_path, PLUGIN))
    assert done.returncode == 0, done.stderr
    assert "Installed toolkit-blunt 1.0 with 1 components." in done.stdout
    frozen = tmp_path / "plugins.txt"
    line = next(li for li in run(environment, "freeze").stdout.splitlines() if "blunt" in li)
    assert line.startswith("toolkit-blunt @ file://")
    frozen.write_text(line)
    remove = [environment, "-m", "pip", "uninstall", "-y", "toolkit-blunt"]
    subprocess.run(remove, check=True, capture_output=True)
    assert "toolkit-blunt" not in run(environment, "list").stdout
    assert run(environment, "install", "-r", frozen).returncode == 0
    listed = json.loads(run(environment, "list", "--json").stdout)["distributions"]
    [blunt] = [each for each in listed if each["name"] == "toolkit-blunt"]
    assert blunt["healthy"]
    assert blunt["components"] == 1


@pytest.mark.slow
def test_a_plugin_that_cannot_be_used_is_named(environment, tmp_path):
    newer = wheel(tmp_path, f"PLUGIN_API = 99\n{PLUGIN}", version="2.0")
    done = run(environment, "install", newer)
    assert done.returncode == 1
    assert "which cannot be used: it was written for version 99" in done.stdout
    assert "toolkit-blunt" in done.stderr


@pytest.mark.slow
def test_the_toolkit_is_not_replaced(environment, tmp_path):
    needs = "Requires-Dist: restoration-toolkit>=99\n"
    done = run(environment, "install", "-U", wheel(tmp_path, PLUGIN, needs, "3.0"))
    assert done.returncode == 1
    assert "The versions of restoration-toolkit==" in " ".join(done.stderr.split())


def test_uv_takes_the_place_of_pip(monkeypatch):
    monkeypatch.setattr(installing, "has_pip", lambda: False)
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(installing.shutil, "which", lambda _name: "/bin/uv")
    assert installing.installer() == ["/bin/uv", "pip", "install", "--python", sys.executable]
    monkeypatch.setattr(installing.shutil, "which", lambda _name: None)
    with pytest.raises(ToolkitError, match="Neither pip nor uv") as caught:
        installing.installer()
    assert "ensurepip" in caught.value.hint
