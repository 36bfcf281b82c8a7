"""`toolkit restore`: with a run, with a restorer, and with neither."""

import json
import shutil

import cv2
import pytest

from toolkit.checkpoints import load_part, save_checkpoint


@pytest.fixture
def photo(tmp_path, photo_folder):
    """A small photograph, 24 x 20 pixels."""
    source = cv2.imread(str(min(photo_folder.iterdir())))
    assert cv2.imwrite(str(tmp_path / "photo.png"), cv2.resize(source, (24, 20)))
    return tmp_path / "photo.png"


@pytest.fixture
def copied_run(trained, tmp_path):
    """A run whose checkpoint may be spoilt."""
    folder = shutil.copytree(trained, tmp_path / "run")
    return folder, folder / "checkpoints" / "step-0000002.safetensors"


def size(path):
    return cv2.imread(str(path)).shape[:2]


def test_a_trained_run_restores_a_photo(cli, trained, photo):
    result = cli("restore", photo, "--with", trained, "--format", "json")
    assert result.code == 0
    [restored] = result.document
    assert restored["lr_size"] == [24, 20]
    assert restored["sr_size"] == [96, 80]
    assert restored["error"] is None
    assert size(photo.with_name("photo_x4.png")) == (80, 96)


def test_the_shipped_weights_are_taken_where_nothing_is_named(cli, photo, tmp_path, monkeypatch):
    (tmp_path / "pocket").mkdir()  # a folder of that name is no run
    monkeypatch.chdir(tmp_path)
    assert cli("restore", photo, "--out", "made.png").code == 0
    assert cli("restore", photo, "--with", "pocket", "--out", "named.png").code == 0
    assert size(tmp_path / "made.png") == (80, 96)
    assert (tmp_path / "made.png").read_bytes() == (tmp_path / "named.png").read_bytes()


def test_shipped_weights_compute_in_the_precision_that_is_asked_for(cli, mistake, photo):
    assert cli("restore", photo, "--precision", "bfloat16").code == 0
    told = mistake("restore", photo, "--with", "bicubic", "--precision", "bfloat16")
    assert "bicubic has none" in told


def test_a_folder_is_restored_by_name(cli, photo_folder, tmp_path):
    result = cli("restore", photo_folder, "--with", "bicubic", "--out", tmp_path / "made")
    assert result.code == 0
    made = {path.name: size(path) for path in (tmp_path / "made").iterdir()}
    assert made == dict.fromkeys((path.name for path in photo_folder.iterdir()), (320, 384))
    assert result.out.count("96x80 → 384x320") == len(made)


def test_a_broken_image_stops_no_other(cli, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    inputs = tmp_path / "broken.png", photo
    result = cli("restore", *inputs, "--with", "bicubic", "--format", "json")
    assert result.code == 1
    broken, good = result.document
    assert broken["destination"] is None
    assert "broken.png" in broken["error"]
    assert good["error"] is None
    assert size(good["destination"]) == (80, 96)
    assert "1 of 2 images could not be restored" in result.err


def test_a_torn_checkpoint_is_named(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"{checkpoint} is torn" in told
    assert not photo.with_name("photo_x4.png").exists()


def test_an_altered_checkpoint_is_named(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    content = bytearray(checkpoint.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    content[start + header["generator/text"]["data_offsets"][0]] ^= 1
    checkpoint.write_bytes(content)
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"{checkpoint} was altered" in told


def test_a_checkpoint_of_another_backbone_is_refused(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    state = {"generator": load_part(checkpoint, "generator")}
    save_checkpoint(checkpoint, state, {"step": "2", "fingerprint": "0" * 64})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "was trained on another backbone" in told
    assert "000000000000…" in told


def test_a_run_without_a_checkpoint_is_told(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    checkpoint.unlink()
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"toolkit train --resume --out {folder}" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--with", "bicubik"], "Did you mean 'bicubic'?"),
        (["--with", "runs/away"], "--with runs/away: there is no such folder"),
        (["--with", "bicubic:x"], "has no variants"),
        (["--with", "bicubic", "--device", "warp"], "no device 'warp'"),
        (["--with", "bicubic", "--out", "photo.png"], "photo.png"),
        (["--with", "bicubic", "--out", "photo.png/below"], "photo.png/below"),
        (["--with", "."], "holds no run"),
    ],
)
def test_mistakes_are_named(mistake, photo, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    assert told in mistake("restore", "photo.png", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    assert photo.read_bytes() == before


@pytest.mark.parametrize("name", ["away.png", "empty"])
def test_an_input_that_holds_nothing_is_told(mistake, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert name in mistake("restore", tmp_path / name, "--with", "bicubic")
