"""`toolkit restore --with` a checkpoint."""

import re
import shlex
import shutil

import cv2
import pytest


@pytest.fixture
def copied_run(trained, tmp_path):
    """A run whose checkpoint may be spoilt."""
    folder = shutil.copytree(trained, tmp_path / "run")
    return folder, folder / "checkpoints" / "step-0000002.safetensors"


def test_any_checkpoint_of_a_run_restores(
    cli, smallest, photo, photo_folder, tmp_path, monkeypatch
):
    """Also by a relative path, from its own folder, and best.safetensors."""
    run = tmp_path / "my run"
    options = ("--set", "train.checkpoint_every=1", "--set", "train.lr=0.1")
    validating = ("--set", "train.validate_every=1", "--set", "train.validate_metrics=psnr",
                  "--set", "train.validate_crop=64",
                  "--set", f"train.validate_on={photo_folder}")  # fmt: skip
    result = cli("train", *smallest, *options, *validating, "--steps", 2, "--out", run)
    assert result.code == 0, result.err

    def restored(source):
        out = tmp_path / "out.png"
        done = cli("restore", photo, "--with", source, "--out", out, "--existing", "overwrite")
        assert done.code == 0, done.err
        return cv2.imread(str(out)).tobytes()  # without the note on what restored it

    newest, first = restored(run), restored(run / "checkpoints/step-0000001.safetensors")
    assert first != newest
    assert restored(run / "checkpoints/step-0000002.safetensors") == newest
    best = shlex.split(result.out.splitlines()[-1].partition("--with ")[2])
    assert best == [str(run / "checkpoints/best.safetensors")]
    step = int(re.search(r"best by validation, step (\d)", result.out)[1])
    monkeypatch.chdir(run / "checkpoints")
    assert restored("best.safetensors") == {1: first, 2: newest}[step]


def test_a_checkpoint_without_its_run_is_a_mistake(mistake, copied_run, photo, tmp_path):
    _, checkpoint = copied_run
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(checkpoint.read_bytes())
    told = mistake("restore", photo, "--with", alone)
    assert f"{alone} is not among the checkpoints of a run" in told
    assert "RUN/checkpoints/best.safetensors" in told
    inside = checkpoint.parent.parent / "logs" / "step-0000002.safetensors"
    inside.write_bytes(checkpoint.read_bytes())
    assert "is not among the checkpoints of a run" in mistake("restore", photo, "--with", inside)
    told = mistake("restore", photo, "--with", checkpoint, "--set", "steps=3")
    assert "a run has no options" in told
