"""Photographs of one colour each, so that they can be told apart, in files of every kind."""

import io
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from toolkit_shards import remote


@pytest.fixture(autouse=True)
def at_once(monkeypatch, toolkit_home):
    """Tries again without waiting, and keeps copies in a folder of the test's own."""
    monkeypatch.setattr(remote, "WAITS", (0.0, 0.0))


def encoded(number, side=16, format_="PNG"):
    """An image file of which `number_of` tells the number."""
    stream = io.BytesIO()
    pixels = np.full((side, side, 3), (number // 256, number % 256, 77), np.uint8)
    Image.fromarray(pixels).save(stream, format_)
    return stream.getvalue()


def number_of(sample):
    red, green, blue = (sample.hr[:, 0, 0] * 255).round().int().tolist()
    assert blue == 77
    return 256 * red + green


def tarred(members, format_=tarfile.PAX_FORMAT):
    """A tar file's content."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format_) as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def shard_of(numbers):
    """A shard of these photographs, each with a text."""
    members = {}
    for number in numbers:
        members |= {f"{number:04}.png": encoded(number), f"{number:04}.txt": b"a text"}
    return tarred(members)


@pytest.fixture
def folder(tmp_path):
    """Five shards of ten photographs each, numbered through."""
    made = tmp_path / "shards"
    made.mkdir()
    for index in range(5):
        content = shard_of(range(10 * index, 10 * index + 10))
        (made / f"data-{index}.tar").write_bytes(content)
    return made


@pytest.fixture(scope="session")
def made():
    """Makes photographs and tar files, and recognises photographs."""
    return SimpleNamespace(encoded=encoded, number_of=number_of, tarred=tarred, shard_of=shard_of)
