"""`toolkit restore`: with a run, with a restorer, and with neither."""

import json
import shutil

import cv2
import pytest
import torch
from PIL import Image
from spandrel.architectures.Compact import Compact

from toolkit.checkpoints import load_part, save_checkpoint
from toolkit.images import writing
from toolkit.restoring import folder


@pytest.fixture
def copied_run(trained, tmp_path):
    """A run whose checkpoint may be spoilt."""
    folder = shutil.copytree(trained, tmp_path / "run")
    return folder, folder / "checkpoints" / "step-0000002.safetensors"


def size(path):
    return cv2.imread(str(path)).shape[:2]


def test_a_trained_run_restores_a_photo(cli, trained, photo):
    result = cli("restore", photo, "--with", trained, "--format", "json")
    assert result.code == 0
    [restored] = result.document
    assert restored["lr_size"] == [24, 20]
    assert restored["sr_size"] == [96, 80]
    assert restored["error"] is None
    assert size(photo.with_name("photo_x4.png")) == (80, 96)


def test_the_shipped_weights_are_taken_where_nothing_is_named(cli, photo, tmp_path, monkeypatch):
    (tmp_path / "pocket").mkdir()  # a folder of that name is no run
    monkeypatch.chdir(tmp_path)
    assert cli("restore", photo, "--out", "made.png").code == 0
    assert cli("restore", photo, "--with", "pocket", "--out", "named.png").code == 0
    assert size(tmp_path / "made.png") == (80, 96)
    assert (tmp_path / "made.png").read_bytes() == (tmp_path / "named.png").read_bytes()


def test_shipped_weights_compute_in_the_precision_that_is_asked_for(cli, mistake, photo):
    assert cli("restore", photo, "--precision", "bfloat16").code == 0
    told = mistake("restore", photo, "--with", "bicubic", "--precision", "bfloat16")
    assert "bicubic has none" in told


def test_what_is_not_kept_of_a_file_is_told(cli, tmp_path):
    pages = [Image.new("RGB", (20, 16), colour) for colour in ("red", "blue")]
    pages[0].save(tmp_path / "scan.tif", save_all=True, append_images=pages[1:])
    told = "only the first of 2 pages or frames was read"
    result = cli("restore", tmp_path / "scan.tif", "--with", "bicubic")
    assert told in result.out
    result = cli(
        "restore", tmp_path / "scan.tif", "--with", "bicubic", "--format", "json",
        "--existing", "overwrite",
    )  # fmt: skip
    assert result.document[0]["notes"] == [told]


def test_a_folder_is_restored_by_name(cli, photo_folder, tmp_path):
    result = cli("restore", photo_folder, "--with", "bicubic", "--out", tmp_path / "made")
    assert result.code == 0
    made = {path.name: size(path) for path in (tmp_path / "made").iterdir()}
    assert made == dict.fromkeys((path.name for path in photo_folder.iterdir()), (320, 384))
    assert result.out.count("96x80 → 384x320") == len(made)


def test_a_broken_image_stops_no_other(cli, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    inputs = tmp_path / "broken.png", photo
    result = cli("restore", *inputs, "--with", "bicubic", "--format", "json")
    assert result.code == 1
    broken, good = result.document
    assert broken["destination"] is None
    assert "broken.png" in broken["error"]
    assert good["error"] is None
    assert size(good["destination"]) == (80, 96)
    assert "1 of 2 images could not be restored" in result.err


def test_a_torn_checkpoint_is_named(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"{checkpoint} is damaged" in told
    assert not photo.with_name("photo_x4.png").exists()


def test_an_altered_checkpoint_is_named(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    content = bytearray(checkpoint.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    content[start + header["generator/text"]["data_offsets"][0]] ^= 1
    checkpoint.write_bytes(content)
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"{checkpoint} was altered" in told


def test_a_checkpoint_of_another_backbone_is_refused(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    state = {"generator": load_part(checkpoint, "generator")}
    save_checkpoint(checkpoint, state, {"step": "2", "fingerprint": "0" * 64})
    told = mistake("restore", photo, "--with", folder, code=1)
    assert "was trained on another backbone" in told
    assert "000000000000…" in told


def test_a_run_without_a_checkpoint_is_told(mistake, copied_run, photo):
    folder, checkpoint = copied_run
    checkpoint.unlink()
    told = mistake("restore", photo, "--with", folder, code=1)
    assert f"toolkit train --resume --out {folder}" in told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--with", "bicubik"], "Did you mean 'bicubic'?"),
        (["--with", "runs/away"], "--with runs/away: there is no such folder"),
        (["--with", "bicubic:x"], "has no variants"),
        (["--with", "bicubic", "--device", "warp"], "no device 'warp'"),
        (["--with", "bicubic", "--out", "photo.png"], "photo.png"),
        (["--with", "bicubic", "--out", "photo.png/below"], "photo.png/below"),
        (["--with", "."], "holds no run"),
    ],
)
def test_mistakes_are_named(mistake, photo, tmp_path, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    before = photo.read_bytes()
    assert told in mistake("restore", "photo.png", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]
    assert photo.read_bytes() == before


@pytest.mark.parametrize("name", ["away.png", "empty"])
def test_an_input_that_holds_nothing_is_told(mistake, tmp_path, name):
    (tmp_path / "empty").mkdir()
    assert name in mistake("restore", tmp_path / name, "--with", "bicubic")


def test_results_that_are_there_are_kept_and_said_so(cli, photo, tmp_path):
    other = tmp_path / "other.png"
    other.write_bytes(photo.read_bytes())
    (tmp_path / "photo_x4.png").write_bytes(b"mine")
    inputs = photo, other
    first = cli("restore", *inputs, "--with", "bicubic", "--format", "json")
    assert [each["kept"] for each in first.document] == [True, False]
    assert (tmp_path / "photo_x4.png").read_bytes() == b"mine"
    again = cli("restore", *inputs, "--with", "bicubic")
    assert again.code == 0
    assert again.out.count("exists already, and was skipped") == 2
    assert "--existing overwrite" in again.out
    anew = cli("restore", *inputs, "--with", "bicubic", "--existing", "overwrite")
    assert anew.code == 0
    assert size(tmp_path / "photo_x4.png") == (80, 96)


def test_ctrl_c_lists_what_is_done_and_the_same_command_goes_on(cli, photo, tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(photo.read_bytes())
    inputs = [tmp_path / f"{name}.png" for name in "abc"]
    picture = folder.restore_strips
    calls = []

    def interrupted(*arguments, **named):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return picture(*arguments, **named)

    monkeypatch.setattr(folder, "restore_strips", interrupted)
    stopped = cli("restore", *inputs, "--with", "bicubic")
    assert stopped.code == 130
    assert stopped.out.count("→") == 2
    assert "Stopped: 2 of 3 images are left." in stopped.err
    went_on = cli("restore", *inputs, "--with", "bicubic", "--format", "json")
    assert [each["kept"] for each in went_on.document] == [True, False, False]


def test_the_hint_of_a_failure_is_printed(cli, photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(photo.read_bytes()[:60])
    told = cli("restore", tmp_path / "broken.png", "--with", "bicubic")
    assert "Copy or download the file again" in told.out
    document = cli("restore", tmp_path / "broken.png", "--with", "bicubic", "--format", "json")
    assert document.document[0]["hint"] == "Copy or download the file again"


@pytest.mark.parametrize(("suffix", "kind"), [(".webp", "WebP"), (".jpg", "JPEG")])
def test_what_is_too_large_for_a_format_is_known_before_the_work(
    cli, photo, tmp_path, monkeypatch, suffix, kind
):
    monkeypatch.setitem(writing._SIDES, suffix, (kind, 90))
    source = tmp_path / f"small{suffix}"
    cv2.imwrite(str(source), cv2.imread(str(photo)))
    made = cli("restore", source, "--with", "bicubic", "--format", "json").document[0]
    assert made["destination"] == str(tmp_path / "small_x4.png")
    assert made["notes"] == [f"{kind} holds at most 90 pixels per side, not 96x80: written as PNG"]
    assert size(tmp_path / "small_x4.png") == (80, 96)
    monkeypatch.setattr(folder, "restore_strips", lambda *_, **__: pytest.fail("work was done"))
    fixed = cli("restore", source, "--with", "bicubic", "--out", tmp_path / f"named{suffix}")
    assert fixed.code == 1
    assert "holds at most 90 pixels" in fixed.out
    assert f"--out {tmp_path / 'named.png'}" in fixed.out


def test_a_name_that_grows_too_long_is_refused_before_the_work(mistake, photo, tmp_path):
    long = tmp_path / f"{'n' * 250}.png"
    long.write_bytes(photo.read_bytes())
    told = mistake("restore", long, photo, "--with", "bicubic")
    assert "a name of 257 bytes" in told
    assert "--out FILE" in told


def test_a_tilde_is_resolved_wherever_the_shell_leaves_it(cli, photo, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert cli("restore", "~/photo.png", "--with=bicubic", "--out=~/big").code == 0
    assert size(tmp_path / "big" / "photo.png") == (80, 96)
    assert not (tmp_path / "~").exists()
    scored = cli("eval", "--sr=~/big", "--hr=~/big", "--metric=psnr", "--no-cache")
    assert scored.code == 0
    assert cli("degrade", "~/photo.png", "--variants=1", "--out=~/lr").code == 0
    assert (tmp_path / "lr" / "lr" / "photo.png").exists()


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
def test_every_scale_is_restored_under_a_name_of_its_own(cli, mistake, photo, tmp_path, scale):
    network, before = Compact(num_feat=4, num_conv=1, upscale=scale), photo.read_bytes()
    torch.save(network.state_dict(), tmp_path / "net.pth")
    result = cli("restore", photo, "--with", f"spandrel:{tmp_path}/net.pth", "--format", "json")
    assert result.code == 0, result.err
    [done] = result.document
    assert done["destination"] == str(tmp_path / f"photo_x{scale}.png")
    assert done["sr_size"] == [24 * scale, 20 * scale]
    assert size(tmp_path / f"photo_x{scale}.png") == (20 * scale, 24 * scale)
    told = mistake("restore", photo, "--with", f"spandrel:{tmp_path}/net.pth", "--out", tmp_path)
    assert "would overwrite the input" in told
    assert photo.read_bytes() == before


def test_a_photo_that_is_not_there_is_told_before_weights_are_read(mistake, tmp_path):
    told = mistake("restore", tmp_path / "none.png", "--with", "spandrel:none.pth")
    assert "none.png does not exist" in told


def test_options_of_a_restorer(cli, mistake, photo, tmp_path):
    out = ["--out", tmp_path / "out.png", "--format", "json"]
    result = cli("restore", photo, "--with", "bicubic", "--set", "restorer.scale=2", *out)
    (width, height), (wide, high) = (result.document[0][key] for key in ("lr_size", "sr_size"))
    assert (wide, high) == (2 * width, 2 * height)
    told = mistake("restore", photo, "--with", "bicubic", "--set", "scales=2")
    assert "scales" in told
    assert "scale" in told
    assert "expected OPTION=VALUE" in mistake("restore", photo, "--set", "scale")


def test_a_system_that_tiles_and_matches_colours_itself(cli, photo, tmp_path):
    out = tmp_path / "out.png"
    result = cli("restore", photo, "--with", "osediff:tiny", "--set", "tagger=false", "--out", out)
    assert result.code == 0, result.err
    asked = tmp_path / "asked.png"
    plain = ["--set", "tagger=false", "--set", "colour=none", "--colour", "adain", "--out", asked]
    assert cli("restore", photo, "--with", "osediff:tiny", *plain).code == 0
    assert out.read_bytes() != asked.read_bytes()
