"""`toolkit restore` between pipes."""

import io
import subprocess
import sys

import pytest
from PIL import Image


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (20, 10), "orange").save(path)
    return path


def opened(file):
    with Image.open(file) as image:
        image.load()
    return image


def run(*arguments, data=b""):
    command = [sys.executable, "-m", "toolkit", "restore", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def test_from_pipe_to_pipe(image):
    done = run("-", "--with", "bicubic", data=image.read_bytes())
    assert done.returncode == 0, done.stderr
    made = opened(io.BytesIO(done.stdout))
    assert (made.format, made.size) == ("JPEG", (80, 40))
    assert b"20x10" in done.stderr


def test_from_a_file_to_a_pipe_and_back(image, tmp_path):
    done = run(image, "--with", "bicubic", "--out", "-", "--format-out", "png", "--scale", "2")
    assert done.returncode == 0, done.stderr
    assert opened(io.BytesIO(done.stdout)).format == "PNG"
    done = run("-", "--with", "bicubic", "--out", tmp_path / "b.png", data=done.stdout)
    assert done.returncode == 0, done.stderr
    assert opened(tmp_path / "b.png").size == (160, 80)


@pytest.mark.parametrize("data", [b"", b"no image"])
def test_what_is_no_image_writes_nothing(data):
    done = run("-", "--with", "bicubic", data=data)
    assert done.returncode in (1, 2)
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
    assert b"pipe" in done.stderr or b"damaged or not an image" in done.stderr


def test_mistakes(mistake, image, tmp_path):
    assert "takes one image" in mistake("restore", "-", image)
    assert "takes one image" in mistake("restore", tmp_path, "--out", "-")
    told = mistake("restore", image, "--out", "-", "--format", "json")
    assert "both go to stdout" in told
