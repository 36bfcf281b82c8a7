"""`toolkit eval`: figures of folders, comparisons, and what it refuses."""

import csv
import io
import json
import math
import shutil
import subprocess
import sys

import cv2
import pytest
from typer.testing import CliRunner

from toolkit.cli.app import app

METRICS = ("--metric", "psnr-y", "--metric", "ssim-y")


@pytest.fixture(autouse=True)
def _own_cache(toolkit_home):
    """No test sees scores of another."""


@pytest.fixture
def folders(tmp_path, photo_folder):
    """A folder of restored images, the same as the originals."""
    return shutil.copytree(photo_folder, tmp_path / "sr"), photo_folder


@pytest.fixture(scope="module")
def systems(tmp_path_factory, photo_folder):
    """Eight originals, blurred a little by one system and more by another."""
    root = tmp_path_factory.mktemp("systems")
    photo = cv2.imread(str(next(photo_folder.iterdir())))
    for folder, sigma in (("hr", 0), ("sharp", 0.6), ("soft", 1.2)):
        (root / folder).mkdir()
        for place in range(8):
            crop = photo[place * 4 : place * 4 + 48, place * 4 : place * 4 + 48]
            image = cv2.GaussianBlur(crop, (0, 0), sigma) if sigma else crop
            cv2.imwrite(str(root / folder / f"{place}.png"), image)
    return root


@pytest.fixture
def earlier(cli, systems, tmp_path):
    """What an evaluation of the soft system wrote."""
    arguments = ("--sr", systems / "soft", "--hr", systems / "hr", *METRICS, "--format", "json")
    path = tmp_path / "soft.json"
    path.write_text(cli("eval", *arguments).out)
    return path


def test_equal_images_score_best(cli, folders):
    sr, hr = folders
    result = cli("eval", "--sr", sr, "--hr", hr, *METRICS, "--format", "json")
    assert result.code == 0
    document = result.document
    assert document["skipped"] == document["missing"] == document["unavailable"] == []
    assert {image["name"] for image in document["images"]} == {path.stem for path in sr.iterdir()}
    assert document["metrics"]["ssim-y"]["mean"] == pytest.approx(1)
    assert document["metrics"]["ssim-y"]["direction"] == "higher"
    assert document["metrics"]["psnr-y"]["fingerprint"]
    assert document["metrics"]["psnr-y"]["count"] == 3
    assert all(len(image["hr_sha256"]) == 64 for image in document["images"])
    assert set(document["environment"]) == {"python", "platform", "toolkit"}


def test_the_table_has_a_line_for_each_image_and_the_mean(cli, folders):
    sr, hr = folders
    shown = cli("eval", "--sr", sr, "--hr", hr, "--metric", "ssim-y").out
    assert "ssim-y ↑" in shown
    assert all(path.stem in shown for path in sr.iterdir())
    assert "Mean of 3" in shown
    assert "95 % from" in shown


def test_five_metrics_fit_into_80_columns(systems, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    sr = shutil.copytree(systems / "soft", tmp_path / "sr")
    hr = shutil.copytree(systems / "hr", tmp_path / "hr")
    for folder in (sr, hr):
        (folder / "0.png").rename(folder / f"{'long-' * 12}[red].png")
    names = ("psnr", "ssim", "psnr-y", "ssim-y", "niqe")
    arguments = [word for name in names for word in ("--metric", name)]
    shown = CliRunner().invoke(app, ["eval", "--sr", str(sr), "--hr", str(hr), *arguments]).stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert "…" not in shown
    assert "[red]" in shown.replace("\n", "")


def test_figures_of_equal_images_are_valid_json(cli, folders):
    sr, hr = folders
    result = cli("eval", "--sr", sr, "--hr", hr, "--metric", "psnr-y", "--format", "json")
    mean = result.document["metrics"]["psnr-y"]["mean"]
    assert mean is None or math.isfinite(mean)
    assert "Infinity" not in result.out


def test_csv_has_a_row_for_each_image_then_the_mean_and_its_interval(cli, folders):
    sr, hr = folders
    arguments = ("--sr", sr, "--hr", hr, *METRICS)
    rows = list(csv.DictReader(io.StringIO(cli("eval", *arguments, "--format", "csv").out)))
    assert list(rows[0]) == ["name", "psnr-y", "ssim-y"]
    assert [row["name"] for row in rows[3:]] == ["mean", "mean_low", "mean_high"]
    means = cli("eval", *arguments, "--format", "json").document["metrics"]
    assert float(rows[3]["psnr-y"]) == means["psnr-y"]["mean"]
    assert float(rows[4]["ssim-y"]) == means["ssim-y"]["interval"][0]


def test_images_without_a_partner_are_skipped_and_named(cli, folders):
    sr, hr = folders
    next(sr.iterdir()).rename(sr / "alone.png")
    (sr / "broken.png").write_text("none")
    arguments = ("--metric", "ssim-y", "--format", "json")
    result = cli("eval", "--sr", sr, "--hr", hr, *arguments)
    assert "alone" in {each["name"] for each in result.document["skipped"]}
    assert len(result.document["images"]) == 2
    assert "alone: has no counterpart" in result.err


def test_what_is_missing_is_told(cli, folders):
    sr, hr = folders
    image = next(sr.iterdir())
    cv2.imwrite(str(image), cv2.imread(str(image))[:8, :8])
    result = cli("eval", "--sr", sr, "--hr", hr, *METRICS, "--format", "json")
    assert result.code == 0
    assert "2 figures are missing:" in result.err
    assert "8x8" in result.err
    assert {each["metric"] for each in result.document["missing"]} == {"psnr-y", "ssim-y"}
    assert result.document["metrics"]["psnr-y"]["count"] == 2


def test_a_cached_run_imports_nothing_heavy(cli, folders):
    sr, hr = folders
    arguments = ["eval", "--sr", str(sr), "--hr", str(hr), *METRICS, "--format", "json"]
    first = cli(*arguments)
    code = (
        "import sys\nfrom toolkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit as ended: assert not ended.code\n"
        "heavy = {'torch', 'cv2', 'scipy', 'toolkit.images'} & set(sys.modules)\n"
        "print('heavy:', *sorted(heavy), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, *arguments]
    second = subprocess.run(command, capture_output=True, text=True, check=True)
    assert second.stderr.splitlines()[-1] == "heavy:"
    assert json.loads(second.stdout) == first.document


def test_no_cache_neither_reads_nor_writes(cli, folders, toolkit_home):
    sr, hr = folders
    arguments = ("--sr", sr, "--hr", hr, "--metric", "psnr-y")
    cli("eval", *arguments, "--no-cache")
    assert not (toolkit_home / "scores.sqlite").exists()
    cli("eval", *arguments)
    assert (toolkit_home / "scores.sqlite").exists()


def test_a_torn_cache_is_told_and_stops_nothing(cli, folders, toolkit_home):
    sr, hr = folders
    toolkit_home.mkdir()
    (toolkit_home / "scores.sqlite").write_bytes(b"torn" * 500)
    for told in (1, 0):
        result = cli("eval", "--sr", sr, "--hr", hr, "--metric", "psnr-y", "--format", "json")
        assert result.code == 0
        assert result.err.count("is damaged") == told
        assert result.document["metrics"]["psnr-y"]["count"] == 3


def test_a_comparison_finds_the_better_system(cli, systems, earlier):
    arguments = ("--sr", systems / "sharp", "--hr", systems / "hr", "--against", earlier)
    result = cli("eval", *arguments, "--format", "json")
    assert result.code == 0, result.err
    against = result.document["against"]
    assert against["images"] == {"shared": 8, "only_here": 0, "only_there": 0}
    assert list(against["metrics"]) == ["psnr-y", "ssim-y"]  # the earlier document's
    assert all(each["verdict"] == "better" for each in against["metrics"].values())
    psnr = against["metrics"]["psnr-y"]
    assert psnr["level"] == pytest.approx(0.975)
    assert psnr["interval"][0] < psnr["difference"] < psnr["interval"][1]
    shown = cli("eval", *arguments).out
    assert shown.count("better") == 2
    [row, _] = csv.DictReader(io.StringIO(cli("eval", *arguments, "--format", "csv").out))
    assert float(row["difference"]) == psnr["difference"]
    assert row["verdict"] == "better"


def test_a_comparison_of_a_system_with_itself_shows_nothing(cli, systems, earlier):
    arguments = ("--sr", systems / "soft", "--hr", systems / "hr", "--against", earlier)
    metrics = cli("eval", *arguments, "--format", "json").document["against"]["metrics"]
    assert {each["verdict"] for each in metrics.values()} == {"no difference shown"}
    assert {each["p"] for each in metrics.values()} == {1}


def test_a_comparison_of_few_images_says_that_nothing_can_be_shown(cli, systems, earlier, tmp_path):
    sr = shutil.copytree(systems / "sharp", tmp_path / "few")
    for place in range(3, 8):
        (sr / f"{place}.png").unlink()
    result = cli("eval", "--sr", sr, "--hr", systems / "hr", "--against", earlier)
    assert "over 3 images in both; 0 are only here, 5 only there" in result.out
    assert "fewer than 7 images nothing can be shown" in result.out
    assert "better" not in result.out


def change(document, fault):
    """Breaks an earlier document in one way."""
    if fault == "fingerprint":
        document["metrics"]["psnr-y"]["fingerprint"]["library"] = "another 9"
    elif fault == "original":
        document["images"][3]["hr_sha256"] = "0" * 64
    elif fault == "names":
        for image in document["images"]:
            image["name"] += "x"
    elif fault == "metrics":
        document["metrics"] = {"niqe": document["metrics"]["psnr-y"]}
    return document


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("fingerprint", ["psnr-y", "library: ", "another 9 there"]),
        ("original", ["The original of 3 is"]),
        ("names", ["no image of the name"]),
        ("metrics", ["none of the metrics", "niqe"]),
    ],
)
def test_what_was_measured_differently_is_not_compared(mistake, systems, earlier, fault, told):
    earlier.write_text(json.dumps(change(json.loads(earlier.read_text()), fault)))
    arguments = ("--sr", systems / "sharp", "--hr", systems / "hr", *METRICS)
    said = mistake("eval", *arguments, "--against", earlier)
    assert all(part in said for part in told)
    assert "soft.json" in said


@pytest.mark.parametrize(
    "content", [None, "", '{"metrics": {', "[]", '{"table": 3}', '{"metrics": {}, "images": []}']
)
def test_other_files_are_not_compared(mistake, systems, tmp_path, content):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    said = mistake("eval", "--sr", systems / "sharp", "--hr", systems / "hr", "--against", path)
    assert "other.json" in said
    assert "--format json" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--metric", "pnsr-y"], "Did you mean 'psnr-y'?"),
        (["--metric", ""], "--metric psnr-y"),
        (["--sr", "away"], "away"),
        (["--sr", "empty"], "empty"),
        (["--hr", "empty"], "empty"),
        (["--hr", "away"], "away"),
    ],
)
def test_mistakes_are_named(mistake, folders, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    sr, hr = folders
    assert told in mistake("eval", "--sr", sr, "--hr", hr, "--metric", "ssim-y", *arguments)


def test_a_full_reference_metric_asks_for_originals(mistake, folders):
    assert "--hr DIR" in mistake("eval", "--sr", folders[0], "--metric", "psnr-y")
