"""Wheels and sdists hold what they should, and nothing else."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """All distributions, built without a network."""
    uv = shutil.which("uv", path=Path(sys.executable).parent) or shutil.which("uv")
    if uv is None:
        pytest.skip("needs uv")
    folder = tmp_path_factory.mktemp("dist")
    command = [uv, "build", "--quiet", "--all-packages", "--out-dir", folder]
    here = ["--offline", "--no-build-isolation", "--python", sys.executable]
    subprocess.run([*command, *here], cwd=ROOT, check=True)
    return folder


@pytest.fixture
def faults(scripts):
    from distributions import faults

    return faults


@pytest.mark.slow
def test_distributions_hold_what_they_should(built, faults, tmp_path):
    assert faults(built) == []
    copy = tmp_path / "dist"
    shutil.copytree(built, copy)
    [losses] = copy.glob("restoration_toolkit_losses-*.whl")
    with zipfile.ZipFile(losses, "a") as wheel:
        wheel.writestr("tests/test_losses.py", "")
    [metrics] = copy.glob("restoration_toolkit_metrics-*.tar.gz")
    metrics.unlink()
    (copy / "restoration_toolkit-0.0.1.tar.gz").touch()
    found = faults(copy)
    assert found == [
        f"{losses.name}: tests/test_losses.py does not belong",
        f"{metrics.name.removesuffix('.tar.gz')}: wheel or sdist is missing",
        "restoration_toolkit-0.0.1.tar.gz: not of this version",
    ]
