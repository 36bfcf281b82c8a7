"""`toolkit figure`: a user's own comparison, and what is refused."""

import json

import pytest


@pytest.fixture
def photo(photo_folder):
    return min(photo_folder.glob("*.png"))


def test_restorers_side_by_side(cli, photo, tmp_path):
    result = cli("figure", "crops", "--with", "bicubic", "--with", "pocket", "--image", photo,
                 "--crop", "64,32,96", "--out", tmp_path / "out", "--format", "json")  # fmt: skip
    assert result.code == 0, result.err
    document = json.loads((tmp_path / "out" / "crops.json").read_text())
    assert document == result.document
    [shown] = document["photographs"]
    assert shown["crop"] == {"left": 64, "top": 32, "side": 96}
    assert list(document["systems"]) == ["bicubic", "pocket"]
    assert (tmp_path / "out" / "crops.png").read_bytes()[:4] == b"\x89PNG"


def test_an_original_gives_scores(cli, photo, tmp_path, photo_folder):
    from toolkit.images import Picture, read_picture, write_picture

    small = tmp_path / "small.png"
    write_picture(Picture(read_picture(photo).rgb[:, ::4, ::4].contiguous()), small)
    result = cli("figure", "crops", "--with", "bicubic", "--image", small, "--hr", photo,
                 "--out", tmp_path / "out")  # fmt: skip
    assert result.code == 0, result.err
    [shown] = json.loads((tmp_path / "out" / "crops.json").read_text())["photographs"]
    assert 10 < shown["scores"]["bicubic"]["psnr"]["photograph"] < 40


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["9"], "There is no figure '9'", "toolkit figure 5"),
        (["2"], "diagram of the method", "docs/how/method.md"),
        (["crops", "--with", "pocket"], "needs --image", "--image photo.jpg"),
        (["crops", "--image", "PHOTO"], "needs --with", "--with pocket"),
        (["5", "--with", "pocket"], "--with is for figure crops", "toolkit figure crops"),
        (["crops", "--with", "pocket", "--image", "gone.png"], "gone.png", ""),
        (["crops", "--with", "bicubic", "--image", "PHOTO", "--crop", "380,0,64"],
         "lies outside", "--crop 0,0,64"),
        (["crops", "--with", "bicubic", "--image", "PHOTO", "--crop", "here"], "X,Y,SIDE", "auto"),
        (["crops", "--with", "nobody", "--image", "PHOTO"], "no such restorer", ""),
        (["crops", "--with", "bicubic", "--image", "PHOTO", "--hr", "PHOTO"], "384x320", "--hr"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(cli, photo, tmp_path, words, said, hint):
    words = [photo if word == "PHOTO" else word for word in words]
    result = cli("figure", *words, "--out", tmp_path / "out")
    assert result.code == 2
    told = " ".join(result.err.replace("│", " ").split())
    assert said in told
    assert hint in told
    assert "Traceback" not in result.err
    assert not list(tmp_path.glob("out/*"))
