"""Golden tensors of the published systems, and synthetic checkpoints of their layouts.

The golden files were made with the authors' own classes in tiny configurations. All weights and
inputs follow from names by a rule, so that a checkpoint of any layout can be made here.
"""

import functools
import gzip
import json
import math
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open
from transformers import CLIPTextConfig, CLIPTextModel

from toolkit_peers.tagger.network import TaggerConfig
from toolkit_peers.tagger.tagger import read_tagger
from toolkit_peers.text import TextEncoder

FOLDER = Path(__file__).parent / "golden"
_BUILT = ("relative_position_index", "attn_mask", "position_ids")
"""Tensors that keep the values with which they are constructed."""


def weight(name, shape):
    """The value of a checkpoint's tensor, by the rule."""
    values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    values = values.astype(np.float32)
    if len(shape) >= 2:
        values *= np.float32(1 / math.sqrt(math.prod(shape[1:])))
    else:
        values = np.float32(0.05) * values
        values = 1 + values if name.endswith("weight") else values
    return torch.from_numpy(np.asarray(values))  # a number's, too


TAGGER = TaggerConfig(
    tags=48,
    image_size=128,
    embed_dim=16,
    depths=(2, 2, 2, 2),
    backbone_heads=(2, 4, 8, 16),
    window_size=4,
    hidden_size=32,
    intermediate_size=64,
    text_layers=3,
    text_width=32,
)
"""The tagger of the golden files."""


class Golden:
    """What is known of one system."""

    weight = staticmethod(weight)

    def __init__(self, name):
        self.config = json.loads((FOLDER / name / "config.json").read_text(encoding="utf-8"))
        self.keys = json.loads(gzip.decompress((FOLDER / name / "keys.json.gz").read_bytes()))
        self._file = safe_open(FOLDER / name / "golden.safetensors", framework="pt")

    def __getitem__(self, label):
        """A golden tensor, or an input that follows from its name alone."""
        if self.tensors.get(label, {}).get("stored", True):
            return self._file.get_tensor(label)
        return self.made(label)

    @property
    def tensors(self):
        """What is said of each tensor, where the system's configuration lists them."""
        return self.config.get("tensors", {})

    def atol(self, label):
        """How far a tensor may be from the golden one."""
        return self.tensors[label]["atol"]

    def made(self, label):
        """An input by the rule, as the list of tensors describes it."""
        told, shape = self.tensors[label], self.tensors[label]["shape"]
        if told["kind"] == "normal":
            return self.normal(label, *shape)
        if told["kind"] == "uint8":
            return torch.from_numpy(self._stream(label).integers(0, 256, shape, dtype=np.uint8))
        low, high = told["lo"], told["hi"]
        values = low + (high - low) * self._stream(label).random(shape)
        return torch.from_numpy(values.astype(np.float32))

    @property
    def labels(self):
        return list(self._file.keys())

    def state(self, names_and_shapes, prefix=""):
        """Values by the rule: `{name: shape}` or a state dict; `prefix` precedes in the rule."""
        shapes = {name: getattr(each, "shape", each) for name, each in names_and_shapes.items()}
        return {
            name: weight(prefix + name, tuple(shape))
            for name, shape in shapes.items()
            if not name.endswith(_BUILT)
        }

    def published(self, layout):
        """A full-size layout of `keys.json.gz`: `{name: tensor on the meta device}`."""
        return {
            name: torch.empty(shape, dtype=getattr(torch, dtype), device="meta")
            for name, (shape, dtype) in self.keys[layout].items()
        }

    def fill(self, network, prefix=""):
        """Gives a network the rule's weights, by its own names after `prefix`."""
        state = self.state(network.state_dict(), prefix)
        network.load_state_dict(state, strict=False)
        return network.eval()

    @staticmethod
    def _stream(label):
        return np.random.default_rng(zlib.crc32(b"input:" + label.encode()))

    def normal(self, label, *shape):
        return torch.from_numpy(self._stream(label).standard_normal(shape).astype(np.float32))

    def uniform(self, label, *shape, low=0.0, high=1.0):
        values = self._stream(label).uniform(low, high, shape)
        return torch.from_numpy(values.astype(np.float32))

    def image(self, label, *shape):
        """An 8-bit image."""
        return torch.from_numpy(self._stream(label).integers(0, 256, size=shape, dtype=np.uint8))

    def noise(self, prefix):
        """Draws `<prefix>.0`, `<prefix>.1`, … in turn, as a system's noise."""
        count = iter(range(10_000))
        return lambda shape: self.normal(f"{prefix}.{next(count)}", *shape)


@pytest.fixture(scope="session")
def golden():
    """`golden("dape")` and so on."""
    return functools.cache(Golden)


def close(found, wanted, tolerance, *, relative=False):
    """Compares by the largest difference, relative to the largest value where asked."""
    assert found.shape == wanted.shape
    difference = (found.double() - wanted.double()).abs().max().item()
    limit = tolerance * (wanted.abs().max().item() if relative else 1)
    assert difference <= limit, f"differs by {difference:.3g}, more than {limit:.3g}"


@pytest.fixture(scope="session", name="close")
def _close():
    return close


@pytest.fixture(scope="session")
def agrees(golden, close):
    """`agrees("stablesr")(label, found)`: within the tolerance that the golden file states."""

    def of(system):
        known = golden(system)
        tolerances = known.config["tensors"]
        return lambda label, found: close(found, known[label], tolerances[label]["atol"])

    return of


@pytest.fixture(scope="session")
def tiny_stablesr(golden):
    """StableSR's networks in the goldens' configuration, read from its authors' layouts."""
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from toolkit.plugin import Checkpoint
    from toolkit_backbones.architecture import published_architecture
    from toolkit_peers.stablesr import networks
    from toolkit_peers.stablesr.fusion import add_fusions
    from toolkit_peers.stablesr.modulation import add_modulations
    from toolkit_peers.stablesr.structure import TimeAwareEncoder
    from toolkit_peers.text import TextEncoder, text_network

    known, architecture = golden("stablesr"), published_architecture("sd21")
    widths = {"block_out_channels": [32, 64, 128, 128]}
    heads = {"attention_head_dim": [2, 4, 8, 8], "cross_attention_dim": 48}
    with torch.device("meta"):
        unet = UNet2DConditionModel(**{**architecture["unet"], **widths, **heads})
        vaes = [AutoencoderKL(**{**architecture["vae"], **widths}) for _ in range(2)]
        add_modulations(unet, 32)
        add_fusions(vaes[1])
        structure = TimeAwareEncoder(32)
    text = TextEncoder(text_network(48, hollow=True))
    made = networks.Networks(unet, structure, *vaes, text, 0.18215)
    networks.read_main(made, Checkpoint("main", stablesr_file(known)), torch.float32)
    fusion = known.state(known.published("tiny:cfw"))
    networks.read_fusion(made.fusion, Checkpoint("fusion", fusion), torch.float32)
    return made


def stablesr_file(known):
    """Tensors of a small main checkpoint of StableSR."""
    prefixes = {
        "unet": "model.diffusion_model.",
        "structcond": "structcond_stage_model.",
        "vae": "first_stage_model.",
    }
    content = {"betas": torch.zeros(1000)}
    for layout, prefix in prefixes.items():
        state = known.state(known.published(f"tiny:{layout}"))
        content |= {prefix + name: value for name, value in state.items()}
    narrow = {1024: 48, 3072: 3 * 48, 4096: 2 * 48}
    for name, tensor in known.published("stablesr_000117.ckpt").items():
        left_out = "resblocks." in name and int(name.split(".")[4]) > 2
        if name.startswith("cond_stage_model.") and not left_out:
            content[name] = weight(name, tuple(narrow.get(side, side) for side in tensor.shape))
    return content


@pytest.fixture(scope="session")
def tiny_diffbir(golden):
    """DiffBIR's networks in the goldens' configuration, read from its authors' layouts."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from toolkit.plugin import LDM_PREFIXES, Checkpoint, fill, ldm_name
    from toolkit_backbones.architecture import published_architecture
    from toolkit_peers.diffbir.bsrnet import bsrnet, read_bsrnet
    from toolkit_peers.diffbir.controlnet import control_network, read_control_network
    from toolkit_peers.diffbir.restorer import Networks
    from toolkit_peers.text import TextEncoder, read_text_encoder

    known, architecture = golden("diffbir"), published_architecture("sd21")
    widths = {"block_out_channels": [32, 64, 64, 64], "attention_head_dim": [2, 4, 4, 4]}
    unet = UNet2DConditionModel(**{**architecture["unet"], **widths, "cross_attention_dim": 32})
    vae = AutoencoderKL(**{**architecture["vae"], "block_out_channels": [32, 32, 64, 64]})
    text = CLIPTextModel(
        CLIPTextConfig(
            hidden_size=32,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=2,
            hidden_act="gelu",
        )
    )

    def checkpoint(layout):
        return Checkpoint(layout, known.state(known.published(f"tiny:{layout}")))

    whole = checkpoint("sd")
    for part, network in {"unet": unet, "vae": vae}.items():
        names = functools.partial(ldm_name, part, config=network.config)
        values = fill(
            network.state_dict(), whole, lambda name, of=names: [of(name)], LDM_PREFIXES[part]
        )
        network.load_state_dict(values, assign=True)
        network.eval().requires_grad_(False)
    read_text_encoder(text, whole)
    controlnet, cleaner = control_network(unet.config), bsrnet(width=8, blocks=2, growth=4)
    read_control_network(controlnet, checkpoint("v2.pth"))
    read_bsrnet(cleaner, checkpoint("BSRNet.pth"))
    return Networks(cleaner, controlnet, unet, vae, TextEncoder(text), 0.18215)


@pytest.fixture(scope="session")
def lists(golden, tmp_path_factory):
    """The files of tags and thresholds."""
    folder, tiny = tmp_path_factory.mktemp("lists"), golden("dape").config["tiny"]
    files = folder / "tags.txt", folder / "thresholds.txt"
    files[0].write_text("\n".join(tiny["tags"]), encoding="utf-8")
    files[1].write_text("".join(f"{each}\n" for each in tiny["thresholds"]), encoding="utf-8")
    return files


@pytest.fixture(scope="session")
def taggers(golden, lists, tmp_path_factory):
    """The variants of the golden file, from files."""
    folder, dape = tmp_path_factory.mktemp("weights"), golden("dape")
    state = dape.state({name: shape for name, (shape, _) in dape.keys["tiny"].items()})
    lora = {name: state.pop(name) for name in list(state) if "lora_" in name}
    torch.save(lora, folder / "double.pth")
    for name, each in lora.items():
        if name.startswith(("tag_encoder.", "text_decoder.")) and name.endswith("lora_B"):
            lora[name] = torch.zeros_like(each)
    torch.save({"model": state}, folder / "ram.pth")
    torch.save(lora, folder / "dape.pth")

    files = {"published": folder / "dape.pth", "ram": None, "double": folder / "double.pth"}
    return {
        name: read_tagger(folder / "ram.pth", file, *lists, config=TAGGER)
        for name, file in files.items()
    }


@pytest.fixture(scope="session")
def stable_diffusion(golden):
    """Makes the tiny UNet, autoencoder and text encoder of the golden files, by part."""
    known = golden("osediff")

    def make(part):
        config = known.config["tiny"][part]
        if part == "text_encoder":
            network = CLIPTextModel(CLIPTextConfig(**config))
            values = {
                name: weight(f"text_model.{name}", tuple(each.shape))
                for name, each in network.state_dict().items()
            }
            network.load_state_dict(values)
            return TextEncoder(network)
        network = UNet2DConditionModel(**config) if part == "unet" else AutoencoderKL(**config)
        return known.fill(network).requires_grad_(False)

    return make
