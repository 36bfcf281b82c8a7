"""Each deliberate fault is told by `plugins check`, and by the command that meets it."""

import re
import shutil

import deliberate_faults
import faultless_parts
import pytest
from deliberate_faults import FAULTS
from faultless_parts import GOOD

from toolkit.discovery import installed

NAME = "deliberate-faults"
PROJECT = f"""
[project]
name = "{NAME}"
version = "1.0"
[project.entry-points.toolkit]
faults = "deliberate_faults"
"""
COMMON = "importing deliberate_faults loads torch"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the plugin."""
    place = tmp_path_factory.mktemp("plugin")
    (place / "pyproject.toml").write_text(PROJECT)
    for module in (deliberate_faults, faultless_parts):
        shutil.copy(module.__file__, place)
    return place


@pytest.fixture(scope="module")
def report(cli, folder):
    """What the one command says of all of them: messages by check, by component."""
    result = cli("plugins", "check", folder, "--format", "json")
    assert result.code == 1
    assert "Traceback" not in result.err
    [distribution] = result.document["distributions"]
    return {
        (each["kind"], each["name"]): {
            check["check"]: check["message"]
            for check in each["checks"]
            if check["state"] == "failed"
        }
        for each in distribution["components"]
    }


def named(fault):
    return f"{fault.kind}-{fault.name}"


@pytest.mark.parametrize("fault", FAULTS, ids=named)
def test_the_check_names_the_fault(report, fault):
    failed = report[fault.kind, fault.name]
    assert re.search(fault.told, failed.get(fault.check, "")), failed


@pytest.mark.parametrize("kind", GOOD)
def test_without_a_fault_every_check_passes_but_the_common_one(report, kind):
    [(check, told)] = report[kind, "good"].items()
    assert check == "start-up"
    assert COMMON in told


@pytest.fixture(scope="module")
def plugin(folder):
    """The plugin is installed, for this module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        info = folder / "deliberate_faults-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0")
        (info / "entry_points.txt").write_text("[toolkit]\nfaults = deliberate_faults\n")
        installed.cache_clear()
        yield
    installed.cache_clear()


@pytest.fixture
def use(cli, photo_folder, tmp_path):
    """Uses a component in the command that it is for; returns the result."""
    parts = {"gen": "good", "disc": "none", "loss": "good", "degradation": "good", "data": "good"}
    slots = {"generator": "gen", "discriminator": "disc", "dataset": "data", "tracker": "track"}
    small = ("crop=32", "batch=1", "sample_every=0", "device=cpu", "precision=float32")
    settings = [word for each in small for word in ("--set", f"train.{each}")]

    def call(kind, name):
        if kind == "metric":
            return cli("eval", "--sr", photo_folder, "--hr", photo_folder, "--metric", name)
        if kind == "restorer":
            out = ("--out", tmp_path / "out")
            return cli("restore", min(photo_folder.iterdir()), "--with", name, *out)
        chosen = {**parts, slots.get(kind, kind): name}
        if kind == "backbone":
            chosen["gen"] = "one-step"
        words = [word for slot, part in chosen.items() for word in (f"--{slot}", part)]
        training = ("train", *words, *settings, "--out", tmp_path / "run")
        first = cli(*training, "--steps", 1)
        return first if name != "forgetful" else cli(*training, "--steps", 2, "--resume")

    return call


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("fault", [each for each in FAULTS if each.in_use], ids=named)
def test_the_command_that_meets_the_fault_names_it(use, fault):
    result = use(fault.kind, fault.name)
    assert result.code == (0 if fault.kind == "tracker" else 1), result
    told = " ".join((result.err + result.out).replace("│", " ").split())
    assert "Traceback" not in told
    assert re.search(fault.in_use, told), told
    assert f"{fault.kind} '{fault.name}' of {NAME}" in told, told


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("kind", GOOD)
def test_without_a_fault_the_command_does_its_work(use, kind):
    assert use(kind, "good").code == 0
