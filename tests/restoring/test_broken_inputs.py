"""Inputs that are no images, or no longer: each is an error that names the file, quietly."""

import contextlib
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ImageError
from toolkit.images import Picture, read_picture, read_rgb, write_picture

NOISE = Picture(rgb=torch.rand(3, 40, 60, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".bmp"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_truncated_files(tmp_path, suffix, share, capfd):
    path = tmp_path / f"broken{suffix}"
    write_picture(NOISE, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ImageError, match=f"broken{suffix}"):
        read_picture(path)
    assert capfd.readouterr().err == ""


def test_a_thumbnail_does_not_stand_for_the_image(tmp_path):
    path = tmp_path / "a.jpg"
    write_picture(NOISE, path)
    whole = path.read_bytes()
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(whole) + 2) + whole  # has an end of its own
    path.write_bytes(whole[:2] + thumbnail + whole[2:])
    assert read_rgb(path).shape == (3, 40, 60)
    path.write_bytes(whole[:2] + thumbnail + whole[2:-2])
    with pytest.raises(ImageError, match="truncated"):
        read_picture(path)


def test_only_the_end_is_missing(tmp_path):
    for suffix, marker in ((".jpg", 2), (".png", 12)):
        path = tmp_path / f"a{suffix}"
        write_picture(NOISE, path)
        whole = path.read_bytes()
        path.write_bytes(whole + b"more")  # phones append videos
        read_picture(path)
        path.write_bytes(whole[:-marker])
        with pytest.raises(ImageError, match="truncated"):
            read_picture(path)


def test_files_that_are_no_images(tmp_path, capfd):
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "folder.png").mkdir()
    cv2.imwrite(str(tmp_path / "float.tif"), np.zeros((4, 4), np.float32))
    for name, reason in {
        "empty.png": "empty", "text.jpg": "not an image", "folder.png": "Is a directory",
        "float.tif": "float32", "missing.png": "No such file",
    }.items():  # fmt: skip
        with pytest.raises(ImageError, match=reason) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value)
        assert caught.value.hint
    assert capfd.readouterr().err == ""


def test_a_monstrous_header_is_an_image_error(tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header
    checksum = struct.pack(">I", zlib.crc32(header))
    (tmp_path / "a.png").write_bytes(start + checksum + b"\0\0\0\0IEND\xaeB`\x82")
    with pytest.raises(ImageError, match=r"a\.png"):
        read_picture(tmp_path / "a.png")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"II*\0"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, head):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    path.write_bytes(head + data)
    with contextlib.suppress(ImageError):
        read_picture(path)
