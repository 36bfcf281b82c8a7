"""A folder of odd files, restored in one command: the good ones right, the bad ones named."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from odd_files import odd_files

from toolkit.images import bicubic_resize, read_picture

COMMAND = [sys.executable, "-m", "toolkit", "restore", "in", "--with", "bicubic", "--scale", "1"]
COMMAND += ["--colour", "none", "--out", "out"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    return tmp_path


def outputs():
    return {path.name: path.read_bytes() for path in Path("out").iterdir()}


def levels(picture):
    """`[h, w, 4]`, in levels of 8 bits."""
    alpha = torch.ones_like(picture.rgb[:1]) if picture.alpha is None else picture.alpha
    return 255 * torch.cat([picture.rgb * alpha, alpha]).permute(1, 2, 0).numpy()


def enlarged_and_reduced(levels):
    image = torch.tensor(levels / 255).permute(2, 0, 1)[None]
    image = bicubic_resize(bicubic_resize(image, 4).clamp(0, 1), tuple(image.shape[2:]))
    return 255 * image[0].clamp(0, 1).permute(1, 2, 0).numpy()


def wanted_levels(pixels):
    """The same of the pixels that an odd file has."""
    colours, alpha = pixels, np.full_like(pixels[..., :1], 255)
    if pixels.shape[2] in (2, 4):
        colours, alpha = pixels[..., :-1], pixels[..., -1:]
    colours = enlarged_and_reduced(np.broadcast_to(colours, (*pixels.shape[:2], 3)))
    return np.concatenate([colours * alpha / 255, alpha], 2)


def test_every_good_file_is_right_and_every_bad_one_named(cli, folder):
    files = {f"in/{each.path.name}": each for each in odd_files(folder / "in")}
    assert len(files) >= 60
    result = cli(*COMMAND[3:], "--format", "json")
    assert result.code == 1
    told = {each["source"]: each for each in result.document}
    images = {name for name, each in files.items() if each.good or name in told}
    assert {name for name, each in files.items() if each.good} <= told.keys() == images
    for name, document in told.items():
        expected = files[name]
        if not expected.good:
            assert document["error"], name
            assert expected.told in document["error"] + document["hint"], name
            continue
        assert document["error"] is None, document
        assert document["seconds"] > 0
        made = read_picture(document["destination"])
        assert made.rgb.shape[1:] == expected.pixels.shape[:2], name
        if any("converted to sRGB" in note for note in document["notes"]):
            continue  # other values for the same colours
        lossy = Path(document["destination"]).suffix not in (".png", ".tif", ".tiff", ".bmp")
        difference = np.abs(levels(made) - wanted_levels(expected.pixels)).mean()
        assert difference < expected.tolerance + 6 + 4 * lossy, (name, difference)
        if expected.bits > 8 and not lossy:
            assert made.bits == 16, name
    before = outputs()
    again = cli(*COMMAND[3:], "--format", "json")
    assert {each["source"] for each in again.document if each["kept"]} == {
        name for name, each in told.items() if not each["error"]
    }
    assert outputs() == before


def test_a_folder_that_was_killed_ends_as_if_it_were_not(folder):
    from PIL import Image

    for number in range(12):
        image = Image.radial_gradient("L").convert("RGB").rotate(30 * number).resize((300, 200))
        image.save(f"in/{number:02}.{('png', 'jpg', 'tif')[number % 3]}")
    subprocess.run(COMMAND, capture_output=True, check=True)
    undisturbed = outputs()
    for path in Path("out").iterdir():
        path.unlink()
    kills = 0
    for wanted in (2, 5, 9):
        with subprocess.Popen(COMMAND, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as one:
            while one.poll() is None and len(list(Path("out").iterdir())) < wanted:
                time.sleep(0.005)
            one.send_signal(signal.SIGKILL)
        kills += one.returncode == -signal.SIGKILL
    assert kills
    subprocess.run(COMMAND, capture_output=True, check=True)
    assert {name: each for name, each in outputs().items() if name[0] != "."} == undisturbed


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits of files")
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "bmp"])
def test_a_disk_that_fills_leaves_nothing_half_written(folder, suffix):
    import resource

    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (400, 700, 3), np.uint8)
    for name in ("large", "small"):
        pixels = noise if name == "large" else noise[:20, :20]
        Image.fromarray(pixels).save(f"in/{name}.{suffix}")

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    command = [*COMMAND, "--scale", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limit)
    assert done.returncode == 1
    assert f"Cannot write out/large.{suffix}: File too large" in done.stdout
    assert "Traceback" not in done.stderr
    assert [path.name for path in Path("out").iterdir()] == [f"small.{suffix}"]
