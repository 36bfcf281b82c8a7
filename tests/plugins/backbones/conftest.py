"""Narrow networks of the real layout, and files of them as they are found in the world."""

import json

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from toolkit.weights import ldm_name
from toolkit_backbones.architecture import PARTS, narrowed, published_architecture
from toolkit_backbones.files import WEIGHTS
from toolkit_backbones.latent_diffusion import LatentDiffusion
from toolkit_backbones.sources import named_source

MODELS = {"vae": AutoencoderKL, "unet": UNet2DConditionModel}
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


class Narrow:
    """A backbone's layout with hardly any width, and weights that some training gave it."""

    def __init__(self, name):
        self.name = name
        self.architecture = narrowed(published_architecture(name))
        random = LatentDiffusion(name, self.architecture, None)
        self.weights = {"vae": random.vae().state_dict(), "unet": random.unet().state_dict()}
        for number, tensors in enumerate(self.weights.values()):
            rng = torch.Generator().manual_seed(number)
            for tensor in tensors.values():
                tensor.normal_(generator=rng)

    def load(self, path, **options):
        """The backbone of a file, a folder or a name."""
        source = named_source(str(path), self.name, self.architecture)
        return LatentDiffusion(self.name, self.architecture, source, **options)

    def original(self):
        """All tensors as the original layout has them, among those of other parts."""
        found = {
            "cond_stage_model.transformer.text_model.final_layer_norm.bias": torch.ones(3),
            "model_ema.decay": torch.tensor(0.9999),
            "model_ema.num_updates": torch.tensor(7),
            "alphas_cumprod": torch.linspace(1, 0, 1000),
        }
        for part in PARTS:
            for name, tensor in self.weights[part].items():
                known = ldm_name(part, name, self.architecture[part])
                is_convolved = ".mid.attn_1." in known and tensor.dim() == 2
                found[known] = tensor[:, :, None, None] if is_convolved else tensor
        return found

    def write_file(self, path, tensors=None):
        """One file in the original layout."""
        tensors = self.original() if tensors is None else tensors
        save_file({name: each.contiguous() for name, each in tensors.items()}, path)
        return path

    def write_folder(self, folder, parts=PARTS):
        """A folder in diffusers' layout."""
        for part in parts:
            (folder / part).mkdir(parents=True, exist_ok=True)
            (folder / part / "config.json").write_text(json.dumps(self.architecture[part]))
            save_file(self.weights[part], folder / part / WEIGHTS)
        return folder

    @staticmethod
    def under_old_names(tensors):
        """The autoencoder's attention as SD2.1's published file calls it."""
        found = {}
        for name, tensor in tensors.items():
            before, marker, rest = name.rpartition(".attentions.0.")
            layer, dot, kind = rest.rpartition(".")
            found[before + marker + OLD.get(layer, layer) + dot + kind] = tensor
        return found

    def assert_is_loaded(self, backbone):
        """Both parts have the weights that were written."""
        for part, network in (("vae", backbone.vae()), ("unet", backbone.unet())):
            assert type(network) is MODELS[part]
            loaded = network.state_dict()
            assert loaded.keys() == self.weights[part].keys()
            for name, tensor in loaded.items():
                assert torch.equal(tensor, self.weights[part][name]), name


@pytest.fixture(scope="session")
def sd21():
    """SD2.1, narrow."""
    return Narrow("sd21")


@pytest.fixture(scope="session")
def sdxl():
    """SDXL, narrow."""
    return Narrow("sdxl")


@pytest.fixture
def folder(sd21, tmp_path):
    """SD2.1 in diffusers' layout, to be spoilt."""
    return sd21.write_folder(tmp_path / "folder")


@pytest.fixture
def respell(folder):
    """Writes a part of the folder anew."""

    def write(part, change):
        path = folder / part / WEIGHTS
        save_file(change(load_file(path)), path)
        return path

    return write
