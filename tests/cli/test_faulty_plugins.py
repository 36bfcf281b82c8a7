"""A plugin that is at fault is named with its distribution, and everything else goes on."""

import json
import subprocess
import sys
import textwrap
import warnings

import pytest

import toolkit
from toolkit.bench.worker import work
from toolkit.errors import ComponentError, PluginWarning
from toolkit.registry import installed
from toolkit.testing import components_of

FAULTY = """
import torch
import toolkit
from toolkit.component import Component
from toolkit.hookspecs import hookimpl
from toolkit.interfaces import Prediction, Sample

print("A word at the import.")

def raising(error):
    def build(_options):
        raise error
    return build

class Part:
    direction, needs_reference, fingerprint = "higher", False, {"version": "1"}
    name, scale, skipped = "part", 4, ()

    def __init__(self, work):
        self.work = work

    def __call__(self, *images):
        print("A word at work.")
        return self.work(*images)

    def to(self, device):
        pass

    def target(self, hr):
        return hr

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return self.work(index)

def built(work):
    return lambda _options: Part(work)

def failing(*_images):
    raise AttributeError("no such layer")

def image(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))

def blank(lr):
    return torch.full((*lr.shape[:2], 4 * lr.shape[2], 4 * lr.shape[3]), 0.5)

class Wrapped:
    # What ships, but for a member.
    def __init__(self, inner, **own):
        self.inner = inner
        self.__dict__.update(own)

    def __getattr__(self, name):
        return getattr(self.inner, name)

def generator(**own):
    def build(_options):
        inner = toolkit.make("generator", "one-step", backbone="pocket", lora_rank=2)
        return Wrapped(inner, **{name: each(inner) for name, each in own.items()})
    return build

def judge(**own):
    def build(_options):
        inner = toolkit.make("discriminator", "nad", backbone="pocket", lora_rank=2)
        return Wrapped(inner, **{name: each(inner) for name, each in own.items()})
    return build

def half(inner):
    def predict(lr):
        image, latent = inner.predict(lr)
        return Prediction(image[..., ::2, ::2], latent)
    return predict

def still(inner):
    return lambda lr: Prediction(*(each.detach() for each in inner.predict(lr)))

def narrow(inner):
    return lambda hr: inner.encode(hr)[:, :1]

BUILDS = {
    ("generator", "half"): generator(predict=half),
    ("generator", "still"): generator(predict=still),
    ("generator", "narrow"): generator(encode=narrow),
    ("generator", "stateless"): generator(state=lambda inner: dict),
    ("discriminator", "flat"): judge(logits=lambda inner: lambda x, rng: x.mean()),
    ("discriminator", "detached"): judge(logits=lambda inner: lambda x, rng: x[:, :1].detach()),
    ("discriminator", "observing"): judge(observe=lambda inner: failing),
    ("loss", "nothing"): lambda _options: None,
    ("loss", "no-loss"): lambda _options: object(),
    ("loss", "raising"): raising(ValueError("out of order")),
    ("loss", "exits"): raising(SystemExit(3)),
    ("loss", "os-error"): raising(PermissionError(13, "Permission denied", "weights.pth")),
    ("loss", "fails"): built(failing),
    ("loss", "scalar"): built(lambda sr, hr: (sr - hr).square().mean()),
    ("loss", "map"): built(lambda sr, hr: (sr - hr).square()),
    ("loss", "detached"): built(lambda sr, hr: (sr - hr).detach().square().flatten(1).mean(1)),
    ("degradation", "small"): built(lambda hr, rng: hr[:, ::8, ::8]),
    ("degradation", "bright"): built(lambda hr, rng: 255 * hr[:, ::4, ::4]),
    ("degradation", "failing"): built(failing),
    ("dataset", "tensors"): built(lambda index: image(3, 64, 64)),
    ("dataset", "bytes"): built(lambda index: Sample("a", (255 * image(3, 64, 64)).byte())),
    ("dataset", "failing"): built(failing),
    ("metric", "a-float"): built(lambda sr, _hr: 0.5),
    ("metric", "a-number"): built(lambda sr, _hr: sr.mean()),
    ("metric", "failing"): built(failing),
    ("metric", "exits"): raising(SystemExit(3)),
    ("metric", "nothing"): lambda _options: None,
    ("metric", "mean"): built(lambda sr, _hr: sr.mean(dim=(1, 2, 3))),
    ("restorer", "as-small"): built(lambda lr: lr),
    ("restorer", "raising"): raising(ValueError("out of order")),
    ("restorer", "blank"): built(blank),
}

@hookimpl
def toolkit_components():
    for (kind, name), build in BUILDS.items():
        yield Component(kind=kind, name=name, summary="At fault", build=build)
"""

BROKEN = 'print("A word at the import.")\nimport no_such_library\n'


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a plugin of this source as `faulty-plugin`, for this test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))

    def put(source):
        (tmp_path / "faulty_plugin.py").write_text(textwrap.dedent(source))
        info = tmp_path / "faulty_plugin-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-plugin\nVersion: 1")
        (info / "entry_points.txt").write_text("[toolkit]\nfaulty = faulty_plugin\n")
        installed.cache_clear()

    yield put
    sys.modules.pop("faulty_plugin", None)
    installed.cache_clear()


@pytest.fixture
def faulty(install):
    install(FAULTY)


def named(error, kind, name, told):
    """The panel is one, and names what is at fault."""
    text = " ".join(error.replace("│", " ").split())
    assert f"The {kind} '{name}' of faulty-plugin {told}" in text
    assert "This is a fault of faulty-plugin: report it" in text
    assert "Is there space" not in text


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
def test_a_loss_at_fault_is_told_before_the_first_step(
    faulty, mistake, smallest, tmp_path, name, told
):
    training = [*smallest, "--loss", name, "--steps", 1, "--out", tmp_path / "run"]
    named(mistake("train", *training, code=1), "loss", name, told)


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
    faulty, mistake, smallest, tmp_path, option, kind, name, told
):
    training = [*smallest, option, name, "--steps", 1, "--out", tmp_path / "run"]
    named(mistake("train", *training, code=1), kind, name, told)


@pytest.mark.parametrize(
    ("parts", "kind", "name", "told"),
    [
        (("--gen", "half"), "generator", "half", "returned a tensor [1, 3, 16, 16] of float32 as"),
        (("--gen", "still"), "generator", "still", "returned an image without a gradient to its"),
        (("--gen", "stateless"), "generator", "stateless", "returned a state() without its param"),
        (("--gen", "narrow", "--disc", "nad"), "generator", "narrow", "returned a tensor [1, 1, 8"),
        (("--disc", "flat"), "discriminator", "flat", "returned a tensor [] of float32 as logits"),
        (("--disc", "detached"), "discriminator", "detached", "returned logits without a gradient"),
        (("--disc", "observing"), "discriminator", "observing", "failed with AttributeError: no"),
    ],
)
def test_networks_at_fault_are_told_at_the_first_step(
    faulty, mistake, photo_folder, tmp_path, parts, kind, name, told
):
    small = {"train.crop": 32, "train.sample_every": 0, "train.device": "cpu"}
    settings = [word for key, value in small.items() for word in ("--set", f"{key}={value}")]
    given = {"--disc": "none", "--loss": "mse", **dict(zip(parts[::2], parts[1::2], strict=True))}
    words = [word for pair in given.items() for word in pair]
    training = ["--data", photo_folder, "--batch", 1, "--steps", 1, *words, *settings]
    named(mistake("train", *training, "--out", tmp_path / "run", code=1), kind, name, told)


def test_debug_shows_where_it_happened(faulty, cli, smallest, tmp_path):
    training = [*smallest, "--loss", "fails", "--steps", 1, "--out", tmp_path / "run"]
    shown = cli("train", *training, "--debug").err
    assert "Traceback" in shown
    assert "in failing" in shown


def test_metrics_at_fault_are_left_out_and_named(faulty, cli, photo_folder):
    lost = ["a-float", "a-number", "failing", "exits", "nothing"]
    asked = [word for name in [*lost, "mean", "psnr-y"] for word in ("--metric", name)]
    result = cli("eval", "--sr", photo_folder, "--hr", photo_folder, *asked, "--format", "json")
    assert result.code == 0, result.err
    assert list(result.document["metrics"]) == ["mean", "psnr-y"]
    assert result.document["metrics"]["mean"]["count"] == 3
    assert {each["metric"] for each in result.document["unavailable"]} == set(lost)
    for name in lost:
        assert f"{name}: The metric '{name}' of faulty-plugin " in result.err
    assert "returned 0.5 as a figure of each image, not a tensor [1]." in result.err
    assert "A word at work." in result.err


def test_of_metrics_that_are_left_out_debug_shows_the_traceback(faulty, cli, photo_folder, caplog):
    asked = ("eval", "--sr", photo_folder, "--metric", "failing", "--metric", "mean")
    cli(*asked)
    assert "in failing" not in caplog.text
    cli(*asked, "--debug")
    assert "in failing" in caplog.text


def test_a_restorer_at_fault_is_told(faulty, cli, mistake, photo_folder, tmp_path):
    out = ("--out", tmp_path / "out")
    named(mistake("restore", photo_folder, "--with", "raising", *out, code=1), "restorer",
          "raising", "failed with ValueError: out of order.")  # fmt: skip
    result = cli("restore", photo_folder, "--with", "as-small", *out)
    assert result.code == 1
    told = "The restorer 'as-small' of faulty-plugin returned a tensor [1, 3, 80, 96] of float32"
    assert result.out.count(told) == 3


def test_a_degradation_at_fault_is_told(faulty, cli, photo_folder, tmp_path):
    result = cli("degrade", photo_folder, "--with", "small", "--out", tmp_path / "out")
    assert result.code == 1
    assert result.out.count("The degradation 'small' of faulty-plugin returned a tensor") == 3


TABLE = """
title = "Mine"
place = "Here"
measures = "quality"
protocol = "As ever."
dataset = "realsr"
better = {{ mean = "higher", a-float = "higher" }}
[scales.pocket]
dataset = "folder:{folder}"
"""


def test_in_a_table_the_other_rows_and_columns_are_measured(
    faulty, cli, photo_folder, tmp_path, monkeypatch
):
    def run_jobs(jobs, *_):
        for job in jobs:
            work(job, installed(), lambda *_: None)
        return {}

    monkeypatch.setattr("toolkit.bench.runner.run_jobs", run_jobs)
    rows = "".join(
        f'[[rows]]\nlabel = "{name}"\nrecipe = {{ restorer = "{name}" }}\n'
        for name in ("blank", "raising", "bicubic")
    )
    path = tmp_path / "mine.toml"
    path.write_text(TABLE.format(folder=photo_folder) + rows)
    asked = ("bench", "--table", path, "--scale", "pocket", "--work", tmp_path / "work")
    result = cli(*asked, "--format", "json")
    assert result.code == 1
    blank, broken, bicubic = result.document["rows"]
    assert blank["measured"] == {"mean": pytest.approx(0.5, abs=1e-2)}
    assert bicubic["measured"].keys() == {"mean"}
    [need] = broken["needs"]
    assert need.startswith("The restorer 'raising' of faulty-plugin failed with ValueError")
    note = "a-float: The metric 'a-float' of faulty-plugin returned 0.5"
    assert all(row["notes"][0].startswith(note) for row in (blank, bicubic))
    assert cli(*asked).out.count(note) == 1


def test_what_a_plugin_prints_is_no_result(faulty, cli, photo_folder):
    listed = cli("plugins", "list", "--format", "json")
    assert {each["distribution"] for each in listed.document["components"]} > {"faulty-plugin"}
    assert "A word at the import." in listed.err


def test_a_plugin_that_is_set_aside_is_told_and_its_traceback_with_debug(install, cli, caplog):
    install(BROKEN)
    listed = cli("plugins", "list", "--format", "json")
    [notice] = listed.document["notices"]
    assert notice["distribution"] == "faulty-plugin"
    assert "Notice: The plugin faulty-plugin is set aside: it failed to load" in listed.err
    assert "faulty_plugin.py" not in caplog.text
    installed.cache_clear()
    sys.modules.pop("faulty_plugin", None)
    cli("plugins", "list", "--debug")
    assert 'faulty_plugin.py", line 2, in <module>' in caplog.text


def test_from_a_shell_debug_shows_the_traceback_of_a_plugin_set_aside(install, tmp_path):
    install(BROKEN)
    command = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.argv[:] = ['toolkit', 'plugins', "
        "'list', '--format', 'json', *sys.argv[1:]]; from toolkit.cli import main; main()"
    )
    for debug in ([], ["--debug"]):
        done = subprocess.run(
            [sys.executable, "-c", command, *debug], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout)["notices"]
        assert ("in <module>\n    import no_such_library" in done.stderr) == bool(debug)
        assert "PluginWarning" not in done.stderr


@pytest.mark.parametrize("call", [toolkit.components, lambda: toolkit.make("loss", "mse")])
def test_in_python_a_warning_tells_of_a_plugin_set_aside(install, call):
    install(BROKEN)
    with pytest.warns(PluginWarning, match="faulty-plugin is set aside: it failed to load") as told:
        call()
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call()  # it is told once


def test_tests_over_the_components_of_a_broken_plugin_cannot_pass(install):
    install(BROKEN)
    with pytest.raises(AssertionError, match="faulty-plugin is set aside") as told:
        components_of("faulty-plugin")
    assert isinstance(told.value.__cause__, ModuleNotFoundError)
    assert components_of("restoration-toolkit-losses")


def test_the_components_of_a_distribution_are_its_own_and_never_none(faulty):
    found = components_of("faulty-plugin")
    assert {(each.kind, each.name) for each in found} >= {("loss", "map"), ("restorer", "blank")}
    assert all(installed().provider(each) == "faulty-plugin" for each in found)
    with pytest.raises(AssertionError, match=r"No component comes from 'faulty_plugin'.*faulty-pl"):
        components_of("faulty_plugin")


def test_in_python_the_error_names_the_component(faulty):
    with pytest.raises(ComponentError, match="The loss 'raising' of faulty-plugin failed with Val"):
        toolkit.make("loss", "raising")
