"""The example plugin as its author and its user meet it: built, installed elsewhere, trained."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "toolkit-example-plugin"
BUILT = [EXAMPLE, ROOT, *(path.parent for path in sorted(ROOT.glob("plugins/*/pyproject.toml")))]
NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TOOLKIT_PLUGINS"}

pytestmark = pytest.mark.slow


def uv():
    found = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if not found:
        pytest.fail("This test builds wheels with uv, which is not here: pip install uv")
    return found


def environment():
    return {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}


def run(folder, *command):
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder, env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def toolkit_command(tmp_path_factory):
    """The command of a fresh environment into which the built wheels, and only they, went."""
    folder = tmp_path_factory.mktemp("third-party")
    for project in BUILT:
        run(folder, uv(), "build", "--quiet", "--wheel", "--out-dir", folder / "wheels", project)
    wheels = sorted((folder / "wheels").glob("*.whl"))
    assert len(wheels) == len(BUILT)

    pinned = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(pinned["constraint-dependencies"]))
    run(folder, uv(), "venv", "--quiet", "--python", sys.executable, folder / "venv")
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    run(
        folder, uv(), "pip", "install", "--quiet", "--python", scripts / "python",
        "--constraint", constraints, "pytest", *wheels,
    )  # fmt: skip
    yield scripts / "toolkit"
    shutil.rmtree(folder / "venv")


def test_its_components_are_listed_beside_the_others(toolkit_command, tmp_path):
    listed = json.loads(
        run(tmp_path, toolkit_command, "plugins", "list", "--format", "json").stdout
    )
    assert listed["notices"] == []
    theirs = [c for c in listed["components"] if c["distribution"] == "toolkit-example-plugin"]
    assert {(c["kind"], c["name"]) for c in theirs} == {
        ("loss", "charbonnier"),
        ("discriminator", "patch"),
    }
    kinds = {component["kind"] for component in listed["components"]}
    assert {"backbone", "generator", "degradation", "dataset"} <= kinds


def test_a_training_uses_them(toolkit_command, tmp_path):
    run(
        tmp_path, toolkit_command, "train", "--disc", "patch", "--loss", "charbonnier",
        "--steps", "2", "--batch", "1", "--set", "train.crop=64", "--set", "train.sample_every=0",
        "--set", "train.device=cpu", "--out", tmp_path / "run",
    )  # fmt: skip
    assert (tmp_path / "run/checkpoints/step-0000002.safetensors").is_file()
    last = json.loads((tmp_path / "run/logs/train.jsonl").read_text().splitlines()[-1])
    assert {"mse", "charbonnier", "adversarial", "discriminator"} < last.keys()


def test_its_own_tests_pass(toolkit_command, tmp_path):
    tests = shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    shutil.copy(EXAMPLE / "pyproject.toml", tmp_path)
    run(tmp_path, toolkit_command.with_name("python"), "-m", "pytest", "-W", "error", tests)
