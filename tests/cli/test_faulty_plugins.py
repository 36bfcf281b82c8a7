"""A plugin that is at fault is named with its distribution, whatever it is used for."""

import pytest

pytestmark = pytest.mark.usefixtures("faulty")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "cannot be used: its `build` returned None; did it forget to return?"),
        ("no-loss", "cannot be used: its `build` returned an object of type object, which lacks"),
        ("raising", "failed with ValueError: out of order."),
        ("exits", "failed with SystemExit: 3."),
        ("os-error", "failed with PermissionError: [Errno 13] Permission denied: 'weights.pth'."),
        ("fails", "failed with AttributeError: no such layer."),
        ("scalar", "returned a tensor [] of float32 as a distance of each image, not a float"),
        ("map", "returned a tensor [1, 3, 32, 32] of float32 as a distance of each image"),
        ("detached", "returned distances without a gradient to the prediction; is it detached?"),
    ],
)
def test_a_loss_at_fault_is_told_before_the_first_step(at_fault, smallest, tmp_path, name, told):
    training = [*smallest, "--loss", name, "--steps", 1, "--out", tmp_path / "run"]
    at_fault("train", *training, told=("loss", name, told))


@pytest.mark.parametrize(
    ("option", "kind", "name", "told"),
    [
        (
            "--degradation",
            "degradation",
            "small",
            "returned a tensor [1, 3, 4, 4] of float32 as LR",
        ),
        ("--degradation", "degradation", "bright", "returned LR of "),
        ("--degradation", "degradation", "failing", "failed with AttributeError: no such layer."),
        ("--data", "dataset", "tensors", "returned a tensor [3, 64, 64] of float32, not a Sample"),
        ("--data", "dataset", "bytes", "returned a tensor [3, 64, 64] of uint8 as a Sample's hr"),
        ("--data", "dataset", "failing", "failed with AttributeError: no such layer."),
    ],
)
def test_data_at_fault_is_told_before_the_first_step(
    at_fault, smallest, tmp_path, option, kind, name, told
):
    training = [*smallest, option, name, "--steps", 1, "--out", tmp_path / "run"]
    at_fault("train", *training, told=(kind, name, told))


@pytest.mark.parametrize(
    ("parts", "kind", "name", "told"),
    [
        (("--gen", "half"), "generator", "half", "returned a tensor [1, 3, 16, 16] of float32 as"),
        (("--gen", "still"), "generator", "still", "returned an image without a gradient to its"),
        (("--gen", "stateless"), "generator", "stateless", "returned a state() without its param"),
        (("--gen", "narrow", "--disc", "nad"), "generator", "narrow", "returned a tensor [1, 1, 8"),
        (("--disc", "flat"), "discriminator", "flat", "returned a tensor [] of float32 as logits"),
        (("--disc", "detached"), "discriminator", "detached", "returned logits without a gradient"),
        (("--disc", "deaf"), "discriminator", "deaf", "returned logits without a gradient to what"),
        (("--disc", "observing"), "discriminator", "observing", "failed with AttributeError: no"),
    ],
)
def test_networks_at_fault_are_told_at_the_first_step(
    at_fault, photo_folder, tmp_path, parts, kind, name, told
):
    small = {"train.crop": 32, "train.sample_every": 0, "train.device": "cpu"}
    settings = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
    given = {"--disc": "none", "--loss": "mse", **dict(zip(parts[::2], parts[1::2], strict=True))}
    words = [word for pair in given.items() for word in pair]
    training = ["--data", photo_folder, "--batch", 1, "--steps", 1, *words, *settings]
    at_fault("train", *training, "--out", tmp_path / "run", told=(kind, name, told))


@pytest.mark.parametrize(
    ("command", "name", "told"),
    [
        (
            ("restore", "a.png", "--with"),
            "no-restorer",
            "cannot be used: its `as_restorer` returned",
        ),
        (("export",), "no-export", "failed with AttributeError: no such layer."),
    ],
)
def test_a_trained_generator_at_fault_is_told(
    at_fault, cli, smallest, photo_folder, tmp_path, command, name, told
):
    options = [*smallest[: smallest.index("gen.lora_rank=2") - 1], "--gen", name, "--steps", 1]
    assert cli("train", *options, "--out", tmp_path / "run").code == 0
    image = next(photo_folder.iterdir())
    words = [image if word == "a.png" else word for word in command]
    kind = "restorer" if command[0] == "restore" else "generator"
    at_fault(*words, tmp_path / "run", told=(kind, name, told))


def test_debug_shows_where_it_happened(cli, smallest, tmp_path):
    training = [*smallest, "--loss", "fails", "--steps", 1, "--out", tmp_path / "run"]
    shown = cli("train", *training, "--debug").err
    assert "Traceback" in shown
    assert "in failing" in shown


def test_a_restorer_at_fault_is_told(at_fault, cli, photo_folder, tmp_path):
    out = ("--out", tmp_path / "out")
    told = ("restorer", "raising", "failed with ValueError: out of order.")
    at_fault("restore", photo_folder, "--with", "raising", *out, told=told)
    result = cli("restore", photo_folder, "--with", "as-small", *out)
    assert result.code == 1
    told = "The restorer 'as-small' of faulty-plugin returned a tensor [1, 3, 80, 96] of float32"
    assert result.out.count(told) == 3


def test_a_degradation_at_fault_is_told(cli, photo_folder, tmp_path):
    result = cli("degrade", photo_folder, "--with", "small", "--out", tmp_path / "out")
    assert result.code == 1
    assert result.out.count("The degradation 'small' of faulty-plugin returned a tensor") == 3


def test_a_history_at_fault_is_told(cli, photo_folder, tmp_path):
    out = ("--out", tmp_path / "out")
    result = cli("degrade", photo_folder, "--with", "sets", *out)
    assert result.code == 1
    assert result.out.count("The degradation 'sets' of faulty-plugin failed with TypeError") == 3
    assert cli("degrade", photo_folder, "--with", "replaying", *out).code == 0
    history = tmp_path / "history.json"
    history.write_text('[{"step": "blur"}]')
    result = cli("degrade", photo_folder, "--with", "replaying", "--history", history, *out)
    assert result.code == 1
    told = "The degradation 'replaying' of faulty-plugin returned a tensor [1, 3, 80, 96]"
    assert result.out.count(told) == 3
