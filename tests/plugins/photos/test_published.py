"""Published datasets, laid out as their authors do."""

import shutil

import numpy as np
import pytest
from PIL import Image

import toolkit
from toolkit.errors import DataError
from toolkit_photos.published import PUBLISHED

LAYOUTS = {
    "realsr": ["{make}/Test/4/{make}_00{n}_HR.png", "{make}/Test/4/{make}_00{n}_LR4.png"],
    "drealsr": ["Test_x4/test_HR/{make}_{n}_x1.png", "Test_x4/test_LR/{make}_{n}_x4.png"],
    "realset65": ["testdata/RealSet65/{make}{n}.png"],
    "lsdir": ["HR/train/000{n}000/{make}{n}.png"],
    "ffhq10k": ["images1024x1024/0{n}000/{make}{n}.png"],
}


def lay_out(folder, name, makes=("Canon", "Nikon"), count=2):
    """Small images where a dataset has its own."""
    rng = np.random.default_rng(0)
    for make in makes:
        for n in range(1, count + 1):
            for template in LAYOUTS[name]:
                path = folder / template.format(make=make, n=n)
                path.parent.mkdir(parents=True, exist_ok=True)
                side = 16 if "LR" in path.as_posix() else 64
                pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path)
    return folder


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda each: each.name)
def test_each_is_read_as_it_is_laid_out(tmp_path, published):
    lay_out(tmp_path, published.name)
    dataset = toolkit.make("dataset", f"{published.name}:{tmp_path}")
    assert (dataset.name, len(dataset)) == (published.name, 4)
    assert dataset.published_count == published.count
    samples = [dataset[index] for index in range(4)]
    assert len({sample.name for sample in samples}) == 4
    for sample in samples:
        assert sample.hr.shape == ((3, 0, 0) if published.content == "lr" else (3, 64, 64))
        assert (sample.lr is not None) == (published.content != "hr")
    with pytest.raises(IndexError):
        dataset[4]


def test_they_are_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_DATA", str(tmp_path))
    for name in ("lsdir", "ffhq10k"):
        lay_out(tmp_path / name, name)
    assert len(toolkit.make("dataset", "lsdir")) == 4
    assert len(toolkit.make("dataset", "lsdir+ffhq10k")) == 8


@pytest.mark.parametrize("published", PUBLISHED, ids=lambda each: each.name)
def test_who_lacks_one_is_told_where_it_is(tmp_path, monkeypatch, published):
    monkeypatch.setenv("TOOLKIT_DATA", str(tmp_path))
    with pytest.raises(DataError, match=published.name) as caught:
        toolkit.make("dataset", published.name)
    assert published.origin in caught.value.hint
    assert str(tmp_path / published.name) in str(caught.value)


def test_a_folder_that_it_must_have_is_named(tmp_path):
    lay_out(tmp_path, "realsr")
    shutil.rmtree(tmp_path / "Nikon")
    with pytest.raises(DataError, match="lacks the folder Nikon/Test/4 of realsr"):
        toolkit.make("dataset", f"realsr:{tmp_path}")
