"""DiffBIR's options, and the files it is made from."""

import pytest
import torch

import toolkit
from toolkit.discovery import installed
from toolkit.plugin import Checkpoint, WeightsError
from toolkit_peers import files, published
from toolkit_peers.diffbir.component import DiffBIROptions
from toolkit_peers.diffbir.restorer import Settings

CKPT = "v2-1_512-ema-pruned.ckpt"


@pytest.fixture(scope="module")
def known(golden):
    return golden("diffbir")


def test_the_defaults_are_the_papers_command(known):
    options, command = DiffBIROptions(), known.config["paper_command_v2"]
    assert options.negative_prompt == command["neg_prompt"]
    assert options.prompt == command["pos_prompt"]
    assert options.guidance == command["cfg_scale"]
    assert options.seed == command["seed"]
    assert options.steps == known.config["sampler"]["steps"]
    assert options.start == known.config["sampler"]["start_point_type"]
    assert not options.rescaled_guidance
    assert (options.colour, options.latent_tile, options.precision) == ("wavelet", None, "float32")
    assert Settings("", "").floor == known.config["floor_short_edge"]


def test_options_reach_the_restorer():
    chosen = {"prompt": "a cat", "steps": 3, "guidance": 2.0, "seed": 7, "latent_tile": 16}
    chosen |= {"negative_prompt": "a dog", "start": "cond", "rescaled_guidance": True}
    restorer = toolkit.make("restorer", "diffbir:tiny", colour="adain", **chosen)
    assert restorer._settings == Settings("a cat", "a dog", 3, 2.0, True, "cond", 16, "adain", 7)


@pytest.fixture
def folder(tmp_path, known, monkeypatch):
    """A folder with the published files at full size, whose tensors are one number each."""
    layouts = {"v2.pth": "v2.pth", "BSRNet.pth": "BSRNet.pth"}
    layouts[CKPT] = f"{CKPT}:state_dict (used)"
    zero = torch.zeros(())
    for name, layout in layouts.items():
        content = {key: zero.expand(each.shape) for key, each in known.published(layout).items()}
        torch.save({"state_dict": content}, tmp_path / name)
    # The copies that reading makes would be gigabytes.
    monkeypatch.setattr(Checkpoint, "__getitem__", lambda self, name: self._content[name])
    return tmp_path


def test_everything_is_read_from_the_users_folder(folder, known):
    restorer = toolkit.make("restorer", f"diffbir:{folder}")
    networks = restorer.networks
    assert list(networks) == ["bsrnet", "controlnet", "unet", "vae", "text_encoder"]
    counts = {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()}
    for name in ("unet", "vae", "controlnet", "bsrnet"):
        assert counts[name] == known.config["parameters"][name]
    for network in networks.values():
        assert not network.training
        tensors = [*network.parameters(), *network.buffers()]
        assert not any(each.requires_grad or each.is_meta for each in tensors)


@pytest.mark.parametrize("name", ["v2.pth", "BSRNet.pth", CKPT])
def test_a_torn_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match=name):
        toolkit.make("restorer", f"diffbir:{folder}")


def test_missing_files_are_asked_for_at_once(folder, monkeypatch):
    asked = []

    def fetch_all(wanted):
        asked.extend(wanted)
        raise WeightsError("not here")

    monkeypatch.setattr(files.weights, "fetch_all", fetch_all)
    (folder / CKPT).unlink()
    (folder / "BSRNet.pth").unlink()
    with pytest.raises(WeightsError, match="not here"):
        toolkit.make("restorer", f"diffbir:{folder}")
    backbone = installed().find("backbone", "sd21")
    assert asked == [published.BSRNET, published.TEXT_ENCODER, *backbone.weights]
