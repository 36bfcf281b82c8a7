"""Finding images, whatever they are called, and saying why one cannot be read."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from toolkit import image_files
from toolkit.errors import ImageError
from toolkit.image_files import find_images, why_unreadable
from toolkit.images import Picture, read_picture, read_rgb, write_picture

PIXELS = np.arange(48 * 40 * 3).reshape(48, 40, 3).astype(np.uint8)


def encoded(suffix):
    return cv2.imencode(suffix, PIXELS)[1].tobytes()


def names(folder):
    return [str(path.relative_to(folder)) for path in find_images(folder)]


def test_find_images(tmp_path):
    for name in ("b.PNG", "a/z.jpg", "a/y.tiff", ".hidden.png", ".cache/c.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    assert names(tmp_path) == ["a/y.tiff", "a/z.jpg", "b.PNG"]


@pytest.mark.parametrize(
    ("name", "suffix"),
    [
        ("a.jfif", ".jpg"),
        ("a.JPE", ".jpg"),
        ("a.gif", ".gif"),
        ("a.avif", ".avif"),
        ("a.jp2", ".jp2"),
        ("photo", ".png"),
        ("photo.2024-06-01", ".webp"),
        ("photo.dat", ".bmp"),
        ("wrong.png", ".tiff"),
    ],
)
def test_what_can_be_read_is_found_whatever_it_is_called(tmp_path, name, suffix):
    (tmp_path / name).write_bytes(encoded(suffix))
    assert names(tmp_path) == [name]
    assert why_unreadable(tmp_path / name) == ("", "")
    assert read_rgb(tmp_path / name).shape == (3, 48, 40)


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("a.NEF", encoded(".tiff"), "camera raw"),
        ("a.cr3", b"\0\0\0\x18ftypcrx " + bytes(20), "camera raw"),
        ("a.psd", b"8BPS" + bytes(20), "Photoshop"),
    ],
)
def test_what_cannot_be_read_is_found_and_told(tmp_path, name, content, format_name):
    (tmp_path / name).write_bytes(content)
    assert names(tmp_path) == [name]
    with pytest.raises(ImageError, match=f"is a {format_name} file, which cannot") as told:
        read_picture(tmp_path / name)
    assert told.value.hint


@pytest.mark.parametrize(
    ("name", "content", "format_name", "library"),
    [
        ("IMG_1.HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC", "pillow-heif"),
        ("sent.jpg", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "HEIC", "pillow-heif"),
        ("a.jxl", b"\xff\x0a" + bytes(20), "JPEG XL", "pillow-jxl-plugin brotli"),
    ],
)
def test_formats_whose_library_is_not_installed(
    tmp_path, monkeypatch, name, content, format_name, library
):
    monkeypatch.setattr(image_files, "find_spec", lambda _name: None)
    path = tmp_path / name
    path.write_bytes(content)
    assert names(tmp_path) == [name]
    with pytest.raises(ImageError, match=f"is a {format_name} file, which cannot") as told:
        read_picture(path)
    assert told.value.hint.endswith(f": pip install {library}")
    picture = Picture(torch.zeros(3, 8, 8))
    written = path.with_suffix({"HEIC": ".heif", "JPEG XL": ".jxl"}[format_name])
    with pytest.raises(ImageError, match=f"{format_name} files is not installed") as told:
        write_picture(picture, written)
    assert told.value.hint.endswith(f": pip install {library}")


def test_optional_libraries_are_imported_when_they_are_used(tmp_path):
    write_picture(Picture(torch.zeros(3, 8, 8)), tmp_path / "a.png")
    code = (
        "import sys; from toolkit.images import read_picture; read_picture(sys.argv[1])\n"
        "print({'pillow_heif', 'pillow_jxl', 'brotli'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.png")]
    assert subprocess.run(command, check=True, capture_output=True).stdout == b"set()\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(20)),
        ("list.json", b"[]"),
        ("film.mp4", b"\0\0\0\x18ftypisom" + bytes(20)),
        ("BMW.txt", b"BMW drove past, and more than eighteen bytes of text"),
        ("empty", b""),
    ],
)
def test_what_is_no_image_is_passed_over(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert names(tmp_path) == []


def test_a_dangling_link_is_told(tmp_path):
    (tmp_path / "a.png").symlink_to("gone.png")
    assert names(tmp_path) == ["a.png"]
    with pytest.raises(ImageError, match=r"a link to gone\.png, which does not exist"):
        read_picture(tmp_path / "a.png")


def test_linked_folders_are_searched_and_loops_end(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.png").write_bytes(encoded(".png"))
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "real")
    (tmp_path / "in" / "again").symlink_to(tmp_path / "real")
    (tmp_path / "in" / "deep" / "up").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "self").symlink_to(".")
    assert names(tmp_path / "in") == ["again/a.png", "linked/a.png"]


def test_names_that_are_no_text_are_found(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")  # noqa: PTH118 - bytes
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(encoded(".png"))
    [found] = find_images(tmp_path)
    assert os.fsencode(found) == path
    assert read_rgb(found).shape == (3, 48, 40)


def test_images_are_sorted_as_paths_are(tmp_path):
    for name in ("a/b.png", "a.png", "a-b/c.png", "B.png", "a b.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = find_images(tmp_path)
    assert len(found) == 5
    assert found == sorted(found)
