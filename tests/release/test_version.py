"""All distributions have one version, and require each other in exactly that one."""

import shutil
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from toolkit.suppliers import APART

ROOT = Path(__file__).parents[2]
MAIN = "restoration-toolkit"
PROJECTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]
PLUGINS = {tomllib.loads(path.read_text())["project"]["name"] for path in PROJECTS[1:]}


@pytest.fixture
def version(scripts):
    import version

    return version


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files in which versions are written."""
    for path in [*PROJECTS, ROOT / "CITATION.cff"]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return tmp_path


def main_project():
    return tomllib.loads(PROJECTS[0].read_text())["project"]


def test_all_versions_agree(version):
    assert version.faults() == []


def test_all_versions_are_set_together(version, checkout):
    before = {path: path.read_text() for path in checkout.rglob("*.toml")}
    version.set_version("7.8.9rc1", checkout)
    assert version.faults(checkout) == []
    for path, text in before.items():
        version_before = tomllib.loads(text)["project"]["version"]
        assert tomllib.loads(path.read_text())["project"]["version"] == "7.8.9rc1"
        assert path.read_text().replace("7.8.9rc1", version_before) == text


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("plugins/losses/pyproject.toml", '\nversion = "', '\nversion = "9', "toml: version 9"),
        ("plugins/peers/pyproject.toml", "backbones==", "backbones>=", "backbones>="),
        ("pyproject.toml", "trackers[wandb]==", "trackers[wandb]>=", "trackers[wandb]>="),
        ("pyproject.toml", "-losses==", "-losses==9", "losses==9"),
        ("CITATION.cff", "\nversion: ", "\nversion: 9", "CITATION.cff: not version"),
    ],
)  # fmt: skip
def test_a_version_that_differs_is_named(version, checkout, file, old, new, told):
    path = checkout / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    [fault] = version.faults(checkout)
    assert told in fault


def test_the_command_has_the_distributions_name_too():
    scripts = distribution(MAIN).entry_points.select(group="console_scripts")
    commands = {each.name: each.value for each in scripts}
    assert commands["restoration-toolkit"] == commands["toolkit"] == "toolkit.cli:main"


def test_every_plugin_is_required_or_has_an_extra():
    extras = main_project()["optional-dependencies"]
    required = names_of_ours(main_project()["dependencies"])
    optional = names_of_ours(line for lines in extras.values() for line in lines) - required
    assert required | optional == PLUGINS
    for name in APART:  # whose components are told with the distribution to install
        assert name in optional
        assert names_of_ours(extras[name.removeprefix(f"{MAIN}-")]) == {name}


def names_of_ours(lines):
    names = {Requirement(line).name for line in lines}
    return {name for name in names if name.startswith(f"{MAIN}-")}


def test_everything_optional_is_in_all_but_what_restricts_use():
    extras = main_project()["optional-dependencies"]
    [everything] = map(Requirement, extras["all"])
    [track] = map(Requirement, extras["track"])
    named = everything.extras | track.extras
    assert named | {"all", "comfyui", "pyiqa"} == extras.keys()  # comfyui is for another program


def test_plugins_declare_typing_and_licence_as_the_toolkit_does():
    for path in PROJECTS[1:]:
        [marker] = path.parent.glob("toolkit_*/py.typed")
        assert marker.read_bytes() == b""
        assert (path.parent / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
        assert "LICENSE" in tomllib.loads(path.read_text())["project"]["license-files"]
