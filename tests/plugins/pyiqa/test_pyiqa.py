"""pyiqa's metrics: the same figures, no downloads, tensors only."""

import subprocess
import sys
import warnings

import pytest
import torch

import toolkit
from toolkit.errors import DataError, OptionsError, WeightsError

pytest.importorskip("pyiqa", reason="what this plugin wraps")

from toolkit_pyiqa import plugin
from toolkit_pyiqa.metric import PyiqaMetric
from toolkit_pyiqa.sandbox import sandbox

COMPONENTS = {component.name: component for component in plugin.toolkit_components()}
FREE = ["psnr", "psnry", "ssim", "ssimc", "ms_ssim", "gmsd", "vif", "fsim", "vsi", "nlpd", "piqe"]


def pair(height=224, width=256, batch=1):
    rng = torch.Generator().manual_seed(1)
    hr = torch.nn.functional.avg_pool2d(torch.rand(batch, 3, height, width, generator=rng), 5, 1, 2)
    return (hr + 0.05 * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


def test_metrics_know_themselves_before_pyiqa_is_loaded():
    code = (
        "import sys, toolkit\n"
        "names = ('musiq', 'maniqa', 'clipiqa', 'pyiqa:gmsd')\n"
        "found = [toolkit.make('metric', name) for name in names]\n"
        "assert [m.direction for m in found] == ['higher'] * 3 + ['lower']\n"
        "assert [m.needs_reference for m in found] == [False] * 3 + [True]\n"
        "assert len({tuple(m.fingerprint.items()) for m in found}) == 4\n"
        "sys.exit(', '.join({'torch', 'numpy', 'pyiqa'} & set(sys.modules)) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_fingerprints_say_protocol_and_weights():
    maniqa = toolkit.make("metric", "maniqa").fingerprint
    assert maniqa["library"] == "pyiqa"
    assert maniqa["metric"] == "maniqa-pipal"
    assert "20 crops of 224 px, uniform" in maniqa["protocol"]
    assert maniqa["sha256 of MANIQA_PIPAL-ae6d356b.pth"] == "ae6d356b"


def test_every_component_says_that_it_is_non_commercial():
    for component in COMPONENTS.values():
        assert "non-commercial" in component.summary
        assert component.licence == "PolyForm-Noncommercial-1.0.0"


def test_names_that_are_not_there():
    with pytest.raises(OptionsError, match=r"no metric 'gmds'\. Did you mean 'gmsd'"):
        toolkit.make("metric", "pyiqa:gmds")
    with pytest.raises(OptionsError, match="scores folders"):
        toolkit.make("metric", "pyiqa:fid")
    with pytest.raises(OptionsError, match="name"):
        toolkit.make("metric", "pyiqa")


@pytest.mark.parametrize("name", FREE)
def test_figures_are_pyiqas(name):
    ours = toolkit.make("metric", f"pyiqa:{name}")
    sr, hr = pair(batch=2)
    images = (sr, hr) if ours.needs_reference else (sr,)
    scores = ours(*images)
    assert scores.shape == (2,)
    assert torch.equal(ours(*images), scores)
    import pyiqa

    theirs = pyiqa.create_metric(name, device=torch.device("cpu"))
    assert ours.direction == ("lower" if theirs.lower_better else "higher")
    for index in range(2):
        expected = theirs(*(each[index : index + 1] for each in images))
        assert scores[index].item() == pytest.approx(expected.item(), rel=1e-6)


def test_nothing_is_printed(capsys):
    toolkit.make("metric", "pyiqa:ssim")(*pair())
    assert capsys.readouterr().out == ""


def test_what_cannot_be_scored():
    metric = toolkit.make("metric", "pyiqa:vif")
    sr, hr = pair(64, 80)
    with pytest.raises(DataError, match="80x64 pixels, the reference 79x64"):
        metric(sr, hr[..., 1:])
    with pytest.raises(DataError, match="needs reference images"):
        metric(sr)
    broken = hr.clone()
    broken[0, 0, :2, 0] = torch.nan
    with pytest.raises(DataError, match=r"reference image \(hr\) has 2 values"):
        metric(sr, broken)
    with pytest.raises(DataError, match="ms_ssim cannot score an image of 20x20 pixels"):
        toolkit.make("metric", "pyiqa:ms_ssim")(sr[..., :20, :20], hr[..., :20, :20])


def test_what_leaves_the_range_is_clamped():
    metric = toolkit.make("metric", "pyiqa:psnr")
    sr, hr = pair(64, 80)
    assert torch.equal(metric(2 * sr - 0.5, hr), metric((2 * sr - 0.5).clamp(0, 1), hr))


@pytest.mark.parametrize(
    ("name", "file", "address"),
    [
        ("niqe", "niqe_modelparameters.mat", "https://huggingface.co/chaofengc/"),
        ("lpips", "alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models/"),
        ("clipiqa", "RN50.pt", "https://openaipublic.azureedge.net/clip/models/"),
    ],
)
def test_a_missing_file_is_named_with_address_and_place(name, file, address, tmp_path, monkeypatch):
    empty_caches(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match=file) as caught:
        toolkit.make("metric", f"pyiqa:{name}")(*pair())
    assert address in caught.value.hint
    assert str(tmp_path) in caught.value.hint


def test_a_missing_model_of_the_hub_is_named(tmp_path, monkeypatch):
    empty_caches(tmp_path, monkeypatch)
    with pytest.raises(WeightsError, match=r"https://huggingface\.co/timm/resnet50"):
        toolkit.make("metric", "pyiqa:hyperiqa")(pair()[0])


def empty_caches(folder, monkeypatch):
    monkeypatch.setattr("torch.hub._hub_dir", str(folder))
    with sandbox():
        import huggingface_hub.constants as hub
        import pyiqa.utils.download_util as downloads
    monkeypatch.setattr(downloads, "DEFAULT_CACHE_DIR", str(folder / "pyiqa"))
    monkeypatch.setattr(hub, "HF_HUB_CACHE", str(folder / "hub"))


class Malicious:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_file_that_holds_more_than_tensors_is_refused(tmp_path, monkeypatch, capsys):
    empty_caches(tmp_path, monkeypatch)
    (tmp_path / "pyiqa").mkdir()
    torch.save({"a": Malicious()}, tmp_path / "pyiqa" / "msswd_weights.pth")
    with pytest.raises(WeightsError, match="more than tensors"):
        toolkit.make("metric", "pyiqa:msswd")(*pair())
    assert "this ran" not in capsys.readouterr().err


def test_no_other_way_out_of_the_room():
    import socket
    import urllib.request

    own = socket.getaddrinfo, urllib.request.urlopen, torch.load
    with pytest.raises(WeightsError, match=r"from example\.org"), sandbox():
        socket.create_connection(("example.org", 443))
    assert own == (socket.getaddrinfo, urllib.request.urlopen, torch.load)


def test_missing_weights_of_the_manifest(toolkit_home, monkeypatch):
    def missing(file):
        raise WeightsError(f"{file.name} is not to be had")

    monkeypatch.setattr("toolkit.weights.fetch", missing)
    for name in ("musiq", "maniqa", "clipiqa"):
        (file,) = COMPONENTS[name].weights
        with pytest.raises(WeightsError, match=file.name):
            toolkit.make("metric", name)(pair()[0])


def in_cache(monkeypatch, path):
    """As if the manifest's file were there and had the right SHA-256."""
    monkeypatch.setattr("toolkit.weights.fetch", lambda file: path)


def scored(metric, batch=1):
    scores = metric(pair(224, 250, batch)[0])
    assert scores.shape == (batch,)
    assert scores.isfinite().all()
    return scores


@pytest.mark.slow
def test_musiq_from_its_file(tmp_path, monkeypatch):
    with sandbox():
        from pyiqa.archs.musiq_arch import MUSIQ

        own = MUSIQ(pretrained=False).eval()
    torch.save(own.state_dict(), tmp_path / "musiq.pth")
    in_cache(monkeypatch, tmp_path / "musiq.pth")
    metric = toolkit.make("metric", "musiq")
    image = pair(224, 250)[0]
    with torch.no_grad():
        assert scored(metric).item() == pytest.approx(own(image).item(), rel=1e-5)
    scored(metric, batch=2)


@pytest.mark.slow
def test_maniqa_from_its_file(tmp_path, monkeypatch):
    with sandbox():
        import timm
        from pyiqa.archs import maniqa_arch

        create = timm.create_model
        monkeypatch.setattr(timm, "create_model", lambda name, **_: create(name, pretrained=False))
        own = maniqa_arch.MANIQA(pretrained=False).eval()
        monkeypatch.setattr(timm, "create_model", create)
    torch.save(own.state_dict(), tmp_path / "maniqa.pth")
    in_cache(monkeypatch, tmp_path / "maniqa.pth")
    metric = toolkit.make("metric", "maniqa")
    assert metric._model.net.test_sample == 20
    metric._model.net.test_sample = own.test_sample = 1  # of 20 crops, to save time
    score = scored(metric)
    with torch.no_grad():
        assert score.item() == pytest.approx(own(pair(224, 250)[0]).item(), rel=1e-4)


@pytest.mark.slow
def test_clipiqa_from_its_archive(tmp_path, monkeypatch):
    own = clip_of_random_weights()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that TorchScript is deprecated
        torch.jit.save(torch.jit.script(scriptable(own)), tmp_path / "RN50.pt")
    in_cache(monkeypatch, tmp_path / "RN50.pt")
    metric = toolkit.make("metric", "clipiqa")
    assert 0 < scored(metric).item() < 1
    scored(metric, batch=2)
    loaded = metric._model.net.clip_model[0].state_dict()
    for name, tensor in own.named_parameters():
        torch.testing.assert_close(loaded[name].float(), tensor, atol=1e-3, rtol=1e-3)


def clip_of_random_weights():
    with sandbox():
        from pyiqa.archs.clip_model import CLIP

        return CLIP(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12)


def scriptable(network):
    """Modules of the same names with the same tensors, and nothing to run."""
    shell = torch.nn.Module()
    for name, parameter in network.named_parameters(recurse=False):
        shell.register_parameter(name, parameter)
    for name, buffer in network.named_buffers(recurse=False):
        shell.register_buffer(name, buffer)
    for name, child in network.named_children():
        shell.add_module(name, scriptable(child))
    return shell


def test_files_of_the_manifest():
    for file in (plugin.MUSIQ, plugin.MANIQA, plugin.CLIP_RN50):
        assert file.size > 0
        assert all(url.startswith("https://") for each in file.sources for url in each.urls)
    assert plugin.MUSIQ.sha256[:8] in plugin.MUSIQ.name
    assert plugin.CLIP_RN50.sha256 in plugin.CLIP_RN50.sources[0].urls[0]


def test_addresses_are_pyiqas_own():
    with sandbox():
        from pyiqa.archs import clip_model, maniqa_arch, musiq_arch
    assert musiq_arch.default_model_urls["koniq10k"] in plugin.MUSIQ.sources[0].urls
    assert maniqa_arch.default_model_urls["pipal"] in plugin.MANIQA.sources[0].urls
    assert clip_model._MODELS["RN50"] in plugin.CLIP_RN50.sources[0].urls


def test_a_metric_that_gives_no_single_figure():
    from toolkit.errors import ToolkitError
    from toolkit_pyiqa.scoring import score

    class Odd:
        metric_mode = "NR"

        def to(self, device):
            return self

        def __call__(self, image):
            return torch.zeros(3)

    with pytest.raises(ToolkitError, match="one score"):
        score(Odd(), "odd", pair(64, 64)[0], None)
    assert isinstance(toolkit.make("metric", "pyiqa:psnr"), PyiqaMetric)
