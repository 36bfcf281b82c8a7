"""New packages: their names, their files, and that every component works."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from toolkit.component import KINDS
from toolkit.discovery import installed
from toolkit.errors import UsageError
from toolkit.scaffolding import plan_package, write_package
from toolkit.tables.reading import read_table


def planned(name="toolkit-sharp", kinds=("all",)):
    return plan_package(name, kinds, installed())


def test_names_of_package_and_components():
    plan = planned("toolkit-my-edges", ["metric", "loss", "loss"])
    assert (plan.package, plan.name) == ("toolkit_my_edges", "my-edges")
    assert plan.kinds == ("loss", "metric")
    assert planned("edges").name == "edges"


@pytest.mark.parametrize(
    ("name", "kinds", "told"),
    [
        ("Sharp", ["loss"], "not a valid name"),
        ("sharp_er", ["loss"], "not a valid name"),
        ("../sharp", ["loss"], "not a valid name"),
        ("class", ["loss"], "not a valid name"),
        ("numpy", ["loss"], "Python package numpy"),
        ("json", ["loss"], "Python package json"),
        ("toolkit-nad", ["discriminator"], "restoration-toolkit-discriminators has a disc"),
        ("toolkit-sharp", ["losss"], "no kind 'losss'. Did you mean 'loss'"),
    ],
)
def test_a_name_that_cannot_be_used(name, kinds, told):
    with pytest.raises(UsageError, match=told):
        planned(name, kinds)


def test_a_folder_with_files_is_kept(tmp_path):
    (tmp_path / "toolkit-sharp").mkdir()
    (tmp_path / "toolkit-sharp" / "mine.py").write_text("x = 1")
    with pytest.raises(UsageError, match="already contains files"):
        write_package(planned(kinds=["loss"]), tmp_path)
    assert [path.name for path in tmp_path.rglob("*.py")] == ["mine.py"]


@pytest.mark.parametrize("kinds", [*([kind] for kind in KINDS), ["all"]], ids=lambda k: k[0])
def test_files_are_complete_and_formatted(kinds, tmp_path):
    folder = write_package(planned(kinds=kinds), tmp_path)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["toolkit"] == {"sharp": "toolkit_sharp.plugin"}
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    for kind in planned(kinds=kinds).kinds:
        assert {f"{kind}.py", f"test_{kind}.py"} <= names
    assert ("table.toml" in names) == (kinds != ["tracker"])
    (folder / "ruff.toml").write_text("line-length = 100")
    for command in (["check", "--select", "E,F,I,UP,B"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", str(folder)]
        done = subprocess.run(ruff, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def sharp(tmp_path_factory):
    """A package with a component of each kind, and the environment of processes that find it."""
    parent = tmp_path_factory.mktemp("new")
    folder = write_package(planned(), parent)
    info = folder / "toolkit_sharp-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toolkit-sharp\nVersion: 0.1.0")
    (info / "entry_points.txt").write_text("[toolkit]\nsharp = toolkit_sharp.plugin\n")
    return folder, {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def run(sharp, *command, where=None):
    folder, environment = sharp
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        check=False, capture_output=True, text=True, env=environment, cwd=where or folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_its_own_tests_pass(sharp):
    out = run(sharp, "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    assert "passed" in out
    assert "skipped" not in out


@pytest.mark.slow
def test_it_trains_restores_and_scores(sharp, photo_folder, tmp_path):
    parts = [f"--{flag}=sharp" for flag in
             ("gen", "disc", "loss", "degradation", "backbone", "data", "track")]  # fmt: skip
    tiny = ["--steps=2", "--batch=1", "--set=train.crop=32", "--set=train.sample_every=0",
            "--set=data.side=64", "--set=data.count=2"]  # fmt: skip
    run(sharp, "toolkit", "train", *parts, *tiny, "--out", "run", where=tmp_path)
    assert (tmp_path / "run" / "sharp.jsonl").read_text().count("\n") >= 4
    photo = next(Path(photo_folder).rglob("*.png"))
    for name in ("run", "sharp"):
        run(sharp, "toolkit", "restore", photo, "--with", name, "--out", name + "-sr/a.png",
            where=tmp_path)  # fmt: skip
    scores = run(sharp, "toolkit", "eval", "--sr", "run-sr", "--hr", "sharp-sr",
                 "--metric", "sharp", "--format", "json", where=tmp_path)  # fmt: skip
    assert "sharp" in scores


def test_its_table_has_a_row_for_each_component(tmp_path):
    folder = write_package(planned(), tmp_path)
    table = read_table(str(folder / "table.toml"))
    rows = {row.label.removeprefix("sharp-") for row in table.rows}
    assert rows == {"toolkit", *KINDS} - {"metric", "tracker"}
    assert "sharp" in table.directions
