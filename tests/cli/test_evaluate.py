"""`toolkit eval`: figures of folders, and what it refuses."""

import math
import shutil

import pytest


@pytest.fixture
def folders(tmp_path, photo_folder):
    """A folder of restored images, the same as the originals."""
    return shutil.copytree(photo_folder, tmp_path / "sr"), photo_folder


def test_equal_images_score_best(cli, folders):
    sr, hr = folders
    metrics = ("--metric", "psnr-y", "--metric", "ssim-y")
    result = cli("eval", "--sr", sr, "--hr", hr, *metrics, "--format", "json")
    assert result.code == 0
    document = result.document
    assert document["skipped"] == []
    assert {image["name"] for image in document["images"]} == {path.stem for path in sr.iterdir()}
    assert document["metrics"]["ssim-y"]["mean"] == pytest.approx(1)
    assert document["metrics"]["ssim-y"]["direction"] == "higher"
    assert document["metrics"]["psnr-y"]["fingerprint"]


def test_the_table_has_a_line_for_each_image_and_the_mean(cli, folders):
    sr, hr = folders
    shown = cli("eval", "--sr", sr, "--hr", hr, "--metric", "ssim-y").out
    assert "ssim-y ↑" in shown
    assert all(path.stem in shown for path in sr.iterdir())
    assert "Mean of 3" in shown


def test_figures_of_equal_images_are_valid_json(cli, folders):
    sr, hr = folders
    result = cli("eval", "--sr", sr, "--hr", hr, "--metric", "psnr-y", "--format", "json")
    mean = result.document["metrics"]["psnr-y"]["mean"]
    assert mean is None or math.isfinite(mean)
    assert "Infinity" not in result.out


def test_images_without_a_partner_are_skipped_and_named(cli, folders):
    sr, hr = folders
    next(sr.iterdir()).rename(sr / "alone.png")
    (sr / "broken.png").write_text("none")
    arguments = ("--metric", "ssim-y", "--format", "json")
    result = cli("eval", "--sr", sr, "--hr", hr, *arguments)
    assert "alone" in {each["name"] for each in result.document["skipped"]}
    assert len(result.document["images"]) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--metric", "pnsr-y"], "Did you mean 'psnr-y'?"),
        (["--sr", "away"], "away"),
        (["--hr", "empty"], "empty"),
        (["--hr", "away"], "away"),
    ],
)
def test_mistakes_are_named(mistake, folders, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    sr, hr = folders
    assert told in mistake("eval", "--sr", sr, "--hr", hr, "--metric", "ssim-y", *arguments)
