"""Sizes, strength, formats, names and comparisons in `toolkit restore`."""

from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.jpg", "b 'x' ☺.png"):
        Image.radial_gradient("L").convert("RGB").resize((30, 20)).save(name)
    return tmp_path


def opened(file):
    with Image.open(file) as image:
        image.load()
    return image


def restored(cli, *arguments):
    result = cli("restore", *arguments, "--with", "bicubic", "--format", "json")
    assert result.code == 0, result.err
    return result.document


@pytest.mark.parametrize(
    ("options", "name", "size"),
    [
        (["--scale", "1"], "a_x1.jpg", (30, 20)),
        (["--scale", "2.5"], "a_x2.5.jpg", (75, 50)),
        (["--width", "61"], "a_61x.jpg", (61, 41)),
        (["--height", "20"], "a_x20.jpg", (30, 20)),
        (["--max-side", "100"], "a_max100.jpg", (100, 67)),
        (["--scale", "2", "--max-side", "100"], "a_x2_max100.jpg", (60, 40)),
        (["--scale", "2", "--format-out", "png"], "a_x2.png", (60, 40)),
    ],
)
def test_sizes_and_names(cli, folder, options, name, size):
    [document] = restored(cli, "a.jpg", *options)
    assert document["destination"] == name
    assert tuple(document["sr_size"]) == opened(name).size == size


def test_patterns_and_odd_names(cli, folder):
    documents = restored(cli, "*.*", "--scale", "2", "--out", "sr")
    assert [Path(each["destination"]).name for each in documents] == ["a.jpg", "b 'x' ☺.png"]


def test_strength_zero_is_the_enlarged_input(cli, folder):
    [full], [none] = (
        restored(cli, "a.jpg", "--strength", s, "--out", f"{s}.png") for s in ("1", "0")
    )
    assert opened(full["destination"]).size == opened(none["destination"]).size


def test_what_exists_is_kept_replaced_or_left_beside(cli, folder):
    Path("a_x4.jpg").write_bytes(b"mine")
    [kept] = restored(cli, "a.jpg")
    assert kept["kept"]
    assert Path("a_x4.jpg").read_bytes() == b"mine"
    [beside] = restored(cli, "a.jpg", "--existing", "rename")
    assert beside["destination"] == "a_x4-2.jpg"
    assert Path("a_x4.jpg").read_bytes() == b"mine"
    restored(cli, "a.jpg", "--existing", "overwrite")
    assert Path("a_x4.jpg").read_bytes() == Path("a_x4-2.jpg").read_bytes()


def test_a_comparison(cli, folder):
    result = cli("restore", "a.jpg", "--with", "bicubic", "--with", "pocket", "--compare")
    assert result.code == 0, result.err
    assert "a_compare.png" in result.out
    assert opened("a_compare.png").width > 3 * 120


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--scale", "5"], "--scale 5: bicubic enlarges 4 times at most"),
        (["--scale", "0"], "--scale 0.0 is no size"),
        (["--scale", "2", "--width", "9"], "contradict"),
        (["--max-side", "-3"], "--max-side -3 is no size"),
        (["--strength", "1.5"], "--strength 1.5 is not between"),
        (["--format-out", "gif"], "--format-out gif"),
        (["--with", "pocket"], "More than one --with"),
    ],
)
def test_mistakes_are_told_before_any_work(mistake, folder, options, told):
    before = sorted(Path().iterdir())
    assert told in " ".join(mistake("restore", "a.jpg", "--with", "bicubic", *options).split())
    assert sorted(Path().iterdir()) == before


def test_a_size_that_one_of_several_cannot_have(cli, folder):
    Image.new("RGB", (200, 100)).save("large.png")
    result = cli("restore", "a.jpg", "large.png", "--with", "bicubic", "--width", "300",
                 "--out", "sr", "--format", "json")  # fmt: skip
    assert result.code == 1
    small, large = result.document
    assert "enlarged 10 times" in small["error"]
    assert small["hint"] == "Use --width 120, or less"
    assert large["sr_size"] == [300, 150]
