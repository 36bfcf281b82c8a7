"""`toolkit degrade`: images made worse, and two degradations side by side."""

import json

import cv2
import pytest
from PIL import Image


@pytest.fixture
def photo(tmp_path, photo_folder):
    """A small photograph, 26 x 20 pixels: two columns too many for a scale of 4."""
    source = cv2.imread(str(min(photo_folder.iterdir())))
    assert cv2.imwrite(str(tmp_path / "photo.png"), cv2.resize(source, (26, 20)))
    return tmp_path / "photo.png"


def files(folder):
    return {path.name: path.read_bytes() for path in sorted((folder / "lr").iterdir())}


def test_a_photo_is_degraded(cli, photo, tmp_path):
    out = tmp_path / "out"
    result = cli("degrade", photo, "--variants", 2, "--out", out)
    assert result.code == 0
    assert result.out.splitlines() == [
        f"{photo} → 2 in {out / 'lr'}",
        f"  sheet: {out / 'sheets/photo.png'}",
        "  cropped to 24x20, multiples of 4",
    ]
    assert "Degrading 1/1" in result.err
    assert [cv2.imread(str(path)).shape for path in (out / "lr").iterdir()] == [(5, 6, 3)] * 2
    assert len(json.loads((out / "histories.json").read_text())) == 2


def test_the_result_as_one_document(cli, photo, tmp_path):
    out = tmp_path / "out"
    result = cli("degrade", photo, "--variants", 2, "--index", 5, "--out", out, "--format", "json")
    assert result.code == 0
    [told] = result.document
    written = json.loads((out / "histories.json").read_text())
    assert told == {
        "source": str(photo),
        "hr_size": [24, 20],
        "lr": [
            {"file": str(out / f"lr/photo_{i}.png"), "index": i, "history": entry["history"]}
            for i, entry in zip((5, 6), written, strict=True)
        ],
        "sheet": str(out / "sheets/photo.png"),
        "notes": ["cropped to 24x20, multiples of 4"],
        "error": None,
    }


def test_what_is_not_kept_of_a_file_is_told(cli, tmp_path):
    pages = [Image.new("RGB", (34, 32), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    out = tmp_path / "out"
    made = cli(
        "degrade", tmp_path / "scan.tif", "--with", "bicubic", "--out", out, "--format", "json"
    )
    assert made.document[0]["notes"] == [
        "only the first of 2 pages or frames was read",
        "cropped to 32x32, multiples of 4",
    ]


def test_where_nothing_is_said_there_are_eight_of_realesrgan(cli, photo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli("degrade", "photo.png").code == 0
    assert list(files(tmp_path / "degraded")) == [f"photo_{i}.png" for i in range(8)]
    assert cli("degrade", "photo.png", "--with", "realesrgan:x4plus", "--out", "same").code == 0
    assert files(tmp_path / "degraded") == files(tmp_path / "same")


def test_seed_and_index_decide_and_nothing_else(cli, photo, tmp_path):
    def made(name, *arguments):
        assert cli("degrade", photo, *arguments, "--out", tmp_path / name).code == 0
        return files(tmp_path / name)

    first = made("first", "--variants", 3, "--seed", 1)
    assert made("again", "--variants", 3, "--seed", 1) == first
    assert made("later", "--variants", 1, "--seed", 1, "--index", 2) == {
        "photo.png": first["photo_2.png"]
    }
    assert set(made("other", "--variants", 3, "--seed", 2).values()).isdisjoint(first.values())


def test_a_folder_is_degraded_by_name(cli, photo_folder, tmp_path):
    result = cli(
        "degrade", photo_folder, "--with", "bicubic", "--variants", 1, "--out", tmp_path / "out"
    )
    assert result.code == 0
    assert list(files(tmp_path / "out")) == sorted(path.name for path in photo_folder.iterdir())
    assert result.out.count(" → 1 in ") == 3
    assert "sheet" not in result.out


def test_a_broken_image_stops_no_other(cli, photo, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo.read_bytes()[:60])
    arguments = ("degrade", broken, photo, "--variants", 1, "--out", tmp_path / "out")
    for result in (cli(*arguments), cli(*arguments, "--format", "json")):
        assert result.code == 1
        assert "1 of 2 images could not be degraded" in result.err
        assert "Traceback" not in result.err
        assert list(files(tmp_path / "out")) == ["photo.png"]
    assert f"{broken}: failed: {broken} is truncated" in cli(*arguments).out
    torn, good = result.document
    assert "truncated" in torn["error"]
    assert (torn["lr"], torn["hr_size"], good["error"]) == ([], None, None)


def test_a_history_is_applied(cli, photo, tmp_path):
    options = ("--with", "bicubic+noise", "--out")
    assert cli("degrade", photo, *options, tmp_path / "drawn", "--variants", 2).code == 0
    drawn = tmp_path / "drawn/histories.json"
    again = ("degrade", photo, *options, tmp_path / "again", "--history")
    assert cli(*again, drawn).code == 0
    assert files(tmp_path / "again") == files(tmp_path / "drawn")
    entries = json.loads(drawn.read_text())
    entries[1]["history"][1]["sigma"] = 99
    (tmp_path / "mine.json").write_text(json.dumps(entries[1]))
    result = cli(*again, tmp_path / "mine.json", "--format", "json")
    assert result.code == 0
    [told] = result.document
    assert told["lr"][0]["index"] is None
    assert told["lr"][0]["history"][1]["sigma"] == 99
    assert files(tmp_path / "again")["photo.png"] not in files(tmp_path / "drawn").values()


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"step": "jpeg", "quality": 0}, "invalid history: step 0 jpeg quality"),
        ({"step": "jpeg", "quality": 50}, "the history ends at 24x20 pixels"),
    ],
)
def test_a_history_that_cannot_be_applied_is_told(cli, photo, tmp_path, step, told):
    (tmp_path / "mine.json").write_text(json.dumps([step]))
    arguments = ("--history", tmp_path / "mine.json", "--out", tmp_path / "out")
    result = cli("degrade", photo, *arguments)
    assert result.code == 1
    assert f"{photo}: failed: {told}" in result.out
    assert "Traceback" not in result.err
    assert not list((tmp_path / "out").rglob("*.*"))


def test_any_option_can_be_set(cli, photo, tmp_path):
    result = cli(
        "degrade", photo, "--with", "jpeg", "--set", "degradation.jpeg_range=[50,60]",
        "--set", "degradation.scale=2", "--out", tmp_path / "out", "--format", "json",
    )  # fmt: skip
    assert result.code == 0
    [told] = result.document
    assert told["hr_size"] == [26, 20]
    qualities = [each["history"][-1]["quality"] for each in told["lr"]]
    assert len(set(qualities)) == 8
    assert all(50 <= quality <= 60 for quality in qualities)


@pytest.mark.parametrize("name", ["stablesr", "realesrgan:stablesr"])
def test_a_variant_needs_no_component(cli, photo, tmp_path, name):
    arguments = ("--variants", 1, "--out", tmp_path / name)
    assert cli("degrade", photo, "--with", name, *arguments).code == 0
    cli("degrade", photo, "--set", "degradation.parameters=stablesr", *arguments[:3], tmp_path)
    assert files(tmp_path / name) == files(tmp_path)


def test_recorded_degrades_nothing(cli, photo, tmp_path):
    result = cli("degrade", photo, "--with", "recorded", "--out", tmp_path / "out")
    assert result.code == 1
    assert "failed: The degradation 'recorded' takes LR images from the data" in result.out
    assert "Traceback" not in result.err
    assert not list((tmp_path / "out").rglob("*.*"))


def test_what_differs_between_two_degradations(cli):
    result = cli("degrade", "--diff", "x4plus", "stablesr")
    assert result.code == 0
    head, *rows = result.out.splitlines()
    assert head.split() == ["Option", "x4plus", "stablesr"]
    shown = {row.split()[0] for row in rows}
    assert {"parameters", "kernel_range", "jpeg_range"} < shown
    assert not {"scale", "codec", "sinc_prob"} & shown
    assert [row.split(":")[0] for row in rows[-2:]] == ["x4plus", "stablesr"]
    assert "https://github.com/IceClear/StableSR" in rows[-1]


def test_what_differs_as_one_document(cli):
    arguments = ("degrade", "--format", "json", "--diff")
    told = cli(*arguments, "x4plus", "realesrgan:stablesr").document
    assert (told["a"], told["b"]) == ("x4plus", "realesrgan:stablesr")
    assert told["differences"]["parameters"] == ["x4plus", "stablesr"]
    assert told["differences"]["jpeg_range"] == [[30, 95], [60, 95]]
    assert all(one != other for one, other in told["differences"].values())
    assert "scale" not in told["differences"]
    assert all("http" in source for source in told["sources"].values())
    across = cli(*arguments, "bicubic", "jpeg").document
    assert across["differences"] == {"jpeg_range": [None, [30, 95]], "codec": [None, "auto"]}


def test_equal_degradations_differ_in_nothing(cli):
    for name in ("realesrgan", "bicubic"):
        result = cli("degrade", "--diff", name, name)
        assert result.code == 0
        assert "No option differs." in result.out
        assert (
            cli("degrade", "--diff", name, name, "--format", "json").document["differences"] == {}
        )


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "There is no image to degrade"),
        (["--diff", "x4plus", "stablesr", "photo.png"], "--diff compares two degradations"),
        (["--diff", "x4plus", "stablesd"], "no degradation named 'stablesd'"),
        (["--diff", "x4plus"], "--diff"),
        (["photo.png", "--with", "realesrgn"], "Did you mean 'realesrgan'?"),
        (["photo.png", "--with", "realesrgan:x5plus"], "'parameters' is 'x5plus'"),
        (["photo.png", "--with", "bicubic:x"], "has no variants"),
        (["photo.png", "--set", "loss.x=1"], "only options of the degradation"),
        (["photo.png", "--set", "degradation.a.b=1"], "only options of the degradation"),
        (["photo.png", "--set", "degradation.scale"], "expected SLOT.OPTION=VALUE"),
        (["photo.png", "--set", "degradation.jpeg_rang=1"], "did you mean 'jpeg_range'?"),
        (
            ["photo.png", "--set", "degradation.jpeg_range=[60,50]"],
            "the lower bound must come first",
        ),
        (["photo.png", "--history", "away.json"], "Cannot read the histories away.json"),
        (["photo.png", "--history", "photo.png"], "photo.png are not valid JSON"),
        (["photo.png", "--device", "warp"], "no device 'warp'"),
        (["photo.png", "--variants", "0"], "'--variants'"),
        (["photo.png", "--seed", "-1"], "'--seed'"),
        (["photo.png", "photo.png"], "would both be written as photo.png"),
        (["away.png"], "away.png does not exist"),
        (["empty"], "empty contains no image"),
    ],
)
def test_mistakes_are_named(mistake, photo, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert told in mistake("degrade", *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "photo.png"]


def test_a_place_that_cannot_be_written_is_told(cli, photo):
    result = cli("degrade", photo, "--out", photo)
    assert result.code == 2
    assert "Cannot create the folder" in result.err
    assert "Traceback" not in result.err
