"""Words reach any terminal: other encodings, names that are no text, brackets."""

import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from toolkit.cli import progress


def toolkit(*arguments, encoding, **more):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    command = [sys.executable, "-m", "toolkit", *arguments]
    return subprocess.run(command, capture_output=True, env=environment, check=False, **more)


@pytest.fixture
def photo(tmp_path, photo_folder):
    """A folder with one photograph whose name is no UTF-8."""
    path = tmp_path / "in" / os.fsdecode(b"caf\xe9.png")
    path.parent.mkdir()
    path.write_bytes(min(photo_folder.iterdir()).read_bytes())
    return path


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_no_encoding_makes_a_command_fail(photo, tmp_path, encoding):
    done = toolkit("restore", photo, "--with", "bicubic", encoding=encoding, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (b"\xe2\x86\x92" if encoding == "utf-8" else b"->") in done.stdout
    assert rb"caf\udce9.png" in done.stdout
    assert photo.with_stem(f"{photo.stem}_x4").exists()
    listed = toolkit("plugins", "list", encoding=encoding)
    assert listed.returncode == 0, listed.stderr


def test_json_stays_json(photo, tmp_path):
    out = tmp_path / "out"
    for encoding in ("ascii", "utf-8"):
        done = toolkit(
            "restore", photo, "--with", "bicubic", "--out", out, "--existing", "overwrite",
            "--format", "json", encoding=encoding,
        )  # fmt: skip
        [made] = json.loads(done.stdout.decode(encoding))
        assert made["source"] == str(photo)


def test_training_and_scoring_take_names_that_are_no_text(photo, tmp_path):
    folder = photo.parent
    done = toolkit(
        "train", "--data", folder, "--disc", "none", "--loss", "mse", "--batch", "1", "--steps",
        "1", "--set", "train.crop=32", "--set", "train.sample_every=0", "--set", "gen.lora_rank=2",
        "--out", str(tmp_path / "run"), encoding="utf-8",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    scored = toolkit("eval", "--sr", folder, "--hr", folder, "--metric", "psnr", "--no-cache",
                     encoding="ascii")  # fmt: skip
    assert scored.returncode == 0, scored.stderr


def test_brackets_of_a_name_stay_on_a_terminal(monkeypatch):
    import rich.console

    terminal = Console(force_terminal=True, width=100, record=True, stderr=True)
    monkeypatch.setattr(rich.console, "Console", lambda **_: terminal)
    shown = []
    with progress.counting("Restoring") as show:
        show("x[a/b].jpg", 0, 3)
        terminal.print(*terminal._live_stack[-1].renderable.renderables)
        shown.append(terminal.export_text())
    assert "Restoring x[a/b].jpg" in shown[0]
