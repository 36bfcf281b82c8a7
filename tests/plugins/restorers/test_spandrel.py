"""Any file of a network that spandrel recognises, as a restorer."""

from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import load_file, save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.DnCNN import DnCNN
from spandrel.architectures.DRUNet import DRUNet
from spandrel.architectures.LaMa import LaMa
from spandrel.architectures.SCUNet import SCUNet
from spandrel.architectures.SwinIR import SwinIR

import toolkit
from toolkit import weights
from toolkit.abilities import avoids_tiles
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import OptionsError, WeightsError
from toolkit.images import Picture
from toolkit.restoring.pictures import restore_picture
from toolkit.restoring.treatment import Treatment
from toolkit_restorers import published
from toolkit_restorers.esrgan import rrdb
from toolkit_restorers.network import Network
from toolkit_restorers.plugin import NEAREST_X2

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


def compact(scale, channels=3):
    torch.manual_seed(scale)
    return Compact(
        num_in_ch=channels, num_out_ch=channels, num_feat=4, num_conv=1, upscale=scale
    ).eval()


def swinir(scale=2):
    torch.manual_seed(0)
    return SwinIR(
        upscale=scale, img_size=16, window_size=8, embed_dim=8, depths=[2], num_heads=[2],
        upsampler="pixelshuffle",
    ).eval()  # fmt: skip


def saved(network, path):
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    (save_file if path.suffix == ".safetensors" else torch.save)(state, path)
    return path


def made(path, **options):
    return toolkit.make("restorer", f"spandrel:{path}", **options)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_real_esrgan_from_a_file_gives_the_same_pixels(tmp_path, suffix):
    torch.manual_seed(0)
    cached = weights.path_of(published.X4PLUS).is_file()
    network = rrdb(published.X4PLUS if cached else None)
    path, lr = saved(network, tmp_path / f"weights{suffix}"), torch.rand(2, 3, 9, 14)
    expected = Network("real-esrgan", network)(lr[:1])
    restorer = made(path)
    assert (restorer.name, restorer.scale) == ("weights", 4)
    assert torch.equal(restorer(lr[:1]), expected)
    assert torch.equal(restorer(lr)[:1], expected)


def test_small_and_odd_images_are_padded_as_the_network_needs(tmp_path):
    restorer = made(saved(swinir(), tmp_path / "net.pth"))
    for height, width in ((1, 1), (17, 5), (24, 24)):
        sr = restorer(torch.rand(2, 3, height, width))
        assert sr.shape == (2, 3, 2 * height, 2 * width)
        assert 0 <= sr.min() <= sr.max() <= 1


def test_a_grey_network_restores_each_channel(tmp_path):
    network = compact(2, channels=1)
    restorer, lr = made(saved(network, tmp_path / "grey.pth")), torch.rand(2, 3, 8, 9)
    with torch.inference_mode():
        expected = torch.cat([network(lr[:, c : c + 1]) for c in range(3)], 1).clamp(0, 1)
    torch.testing.assert_close(restorer(lr), expected)
    grey = lr[:, :1].expand(-1, 3, -1, -1)
    torch.testing.assert_close(restorer(grey), expected[:, :1].expand(-1, 3, -1, -1))


def test_networks_with_a_call_of_their_own_are_called_by_it(tmp_path):
    torch.manual_seed(0)
    lr = torch.rand(1, 3, 16, 24)
    drunet = DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2)  # spandrel adds the noise level
    assert made(saved(drunet, tmp_path / "drunet.pth"))(lr).shape == lr.shape
    dncnn = DnCNN(in_nc=3, out_nc=3, nc=4, nb=8, act_mode="R")  # predicts noise
    sr = made(saved(dncnn, tmp_path / "dncnn.pth"))(lr)
    with torch.inference_mode():
        torch.testing.assert_close(sr, (lr - dncnn.eval().model(lr)).clamp(0, 1))


def test_costs_are_counted_from_the_file(tmp_path):
    path = saved(swinir(), tmp_path / "net.pth")
    count = sum(parameter.numel() for parameter in swinir().parameters())
    hollow = Context(installed(), read_weights=False)
    with torch.device("meta"):
        restorer = hollow.make("restorer", f"spandrel:{path}")
        assert restorer(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 32, 32)
    [network] = restorer.networks.values()
    parameters = list(network.parameters())
    assert all(parameter.is_meta for parameter in parameters)
    assert sum(parameter.numel() for parameter in parameters) == count
    grey = saved(compact(2, channels=1), tmp_path / "grey.pth")
    with torch.device("meta"):
        sr = hollow.make("restorer", f"spandrel:{grey}")(torch.zeros(1, 3, 8, 8))
    assert sr.shape == (1, 3, 16, 16)


def test_precision_is_that_of_the_network_alone(tmp_path):
    path, lr = saved(compact(2), tmp_path / "net.pth"), torch.rand(1, 3, 8, 8)
    half = made(path, precision="bfloat16")
    assert {p.dtype for p in half.networks["net"].parameters()} == {torch.bfloat16}
    assert half(lr).dtype == torch.float32
    torch.testing.assert_close(half(lr), made(path)(lr), rtol=0, atol=0.02)
    other = saved(swinir(), tmp_path / "swinir.pth")
    with pytest.raises(OptionsError, match=r"swinir\.pth contains SwinIR.* float16"):
        made(other, precision="float16")


def test_tiles_of_a_network_that_avoids_them_are_told(tmp_path):
    restorer = made(saved(swinir(), tmp_path / "net.pth"))
    assert avoids_tiles(restorer)
    assert not avoids_tiles(made(NEAREST_X2))
    assert not avoids_tiles(toolkit.make("restorer", "bicubic"))
    picture = Picture(torch.rand(3, 20, 16))
    _, notes = restore_picture(restorer, picture, Treatment(tile=16))
    assert notes == ("restored in tiles, which net may show: try --tile 0",)
    assert restore_picture(restorer, picture)[1] == ()
    assert restore_picture(made(NEAREST_X2), picture, Treatment(tile=16))[1] == ()


def test_the_file_for_tests_repeats_pixels():
    state = Compact(num_feat=1, num_conv=0, upscale=2).state_dict()
    shipped = load_file(NEAREST_X2)
    assert {n: t.shape for n, t in shipped.items()} == {n: t.shape for n, t in state.items()}
    assert not any(tensor.any() for tensor in shipped.values())
    lr = torch.rand(1, 3, 4, 5)
    repeated = lr.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(made(NEAREST_X2)(lr), repeated)


class Code:
    """Runs a command where it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


REFUSED = {
    "no-file": (lambda path: None, "There is no file"),
    "folder": (lambda path: path.mkdir(), "There is no file"),
    "no-weights": (lambda path: path.write_bytes(b"weights"), "not a plain file of tensors"),
    "code": (lambda path: torch.save({"a": Code()}, path), "not a plain file of tensors"),
    "tensor": (lambda path: torch.save(torch.zeros(3), path), "holds no network"),
    "list": (lambda path: torch.save([torch.zeros(3)], path), "holds no network"),
    "empty": (lambda path: torch.save({}, path), "holds no network"),
    "unknown": (
        lambda path: torch.save({"a": torch.zeros(1)}, path),
        "not a checkpoint that spandrel supports: its architecture is unknown",
    ),
    "incomplete": (
        lambda path: torch.save(
            {k: v for k, v in swinir().state_dict().items() if "mlp" not in k}, path
        ),
        "not a checkpoint that spandrel supports",
    ),
    "mask": (lambda path: saved(LaMa(), path), "contains LaMa, which needs a mask"),
    "channels": (
        lambda path: saved(compact(2, channels=4), path),
        "contains RealESRGAN Compact, which maps 4 channels to 4",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_other_files_are_refused_by_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path, (write, told) = tmp_path / "weights.pth", REFUSED[name]
    write(path)
    with pytest.raises(WeightsError, match=told) as caught:
        made(path)
    assert str(path) in str(caught.value)
    assert caught.value.hint
    assert not (tmp_path / "executed").exists()


def test_a_truncated_file_is_refused(tmp_path):
    for suffix in (".safetensors", ".pth"):
        path = saved(compact(2), tmp_path / f"net{suffix}")
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(WeightsError, match="not a plain file of tensors"):
            made(path)


def test_a_restorer_of_faces_is_refused(tmp_path, monkeypatch):
    import spandrel

    path = saved(compact(2), tmp_path / "net.pth")
    model = spandrel.ModelLoader().load_from_file(path)
    model._purpose = "FaceSR"
    monkeypatch.setattr(spandrel.ModelLoader, "load_from_state_dict", lambda *_: model)
    with pytest.raises(WeightsError, match="restores aligned faces alone"):
        made(path)


def test_scunet_of_the_authors_size_is_a_restorer_of_scale_one(tmp_path):
    torch.manual_seed(0)
    path = saved(SCUNet(in_nc=3, config=[1] * 7, dim=64), tmp_path / "scunet.pth")
    restorer = made(path)
    assert restorer.scale == 1
    assert restorer(torch.rand(1, 3, 33, 20)).shape == (1, 3, 33, 20)


def test_a_file_must_be_named():
    with pytest.raises(OptionsError, match="'file'"):
        toolkit.make("restorer", "spandrel")


def test_published_networks_of_another_scale_are_refused(tmp_path):
    path = saved(compact(2), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="does not upscale RGB by 4") as caught:
        toolkit.make("restorer", f"bsrgan:{path}")
    assert f"spandrel:{path}" in caught.value.hint


@pytest.mark.parametrize("size", [(37, 21), (16, 16), (3, 5)])
@pytest.mark.parametrize(
    "network",
    [
        lambda: compact(3),
        lambda: compact(2, channels=1),
        swinir,
        lambda: DRUNet(in_nc=4, out_nc=3, nc=[4, 4, 4, 4], nb=2),
        lambda: DnCNN(in_nc=3, out_nc=3, nc=4, nb=8, act_mode="R"),
    ],
    ids=["compact", "grey", "swinir", "drunet", "dncnn"],
)
def test_the_module_of_a_network_restores_as_the_restorer(tmp_path, network, size):
    torch.manual_seed(0)
    restorer = made(saved(network(), tmp_path / "net.safetensors"))
    lr = torch.rand(1, 3, *size)
    with torch.no_grad():
        torch.testing.assert_close(restorer.network()(lr), restorer(lr), rtol=0, atol=1e-5)
