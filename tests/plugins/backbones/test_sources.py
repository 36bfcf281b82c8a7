"""Where weights come from: files and folders of the real layout, and what needs none."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

import toolkit
from toolkit import weights
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import WeightsError
from toolkit.weights import WeightFile
from toolkit_backbones.architecture import PARTS, published_architecture
from toolkit_backbones.files import WEIGHTS
from toolkit_backbones.latent_diffusion import LatentDiffusion
from toolkit_backbones.sources import Published, Repository, SingleFile, named_source

HALF = WEIGHTS.replace(".safetensors", ".fp16.safetensors")


class TestWhatIsRead:
    @pytest.mark.parametrize("name", ["sd21", "sdxl"])
    def test_a_single_file_in_the_original_layout(self, request, name, tmp_path):
        narrow = request.getfixturevalue(name)
        path = narrow.write_file(tmp_path / "model.safetensors")
        attention = "first_stage_model.decoder.mid.attn_1.q.weight"
        assert load_file(path)[attention].shape == (16, 16, 1, 1)
        narrow.assert_is_loaded(narrow.load(path))

    @pytest.mark.parametrize("name", ["sd21", "sdxl"])
    def test_a_folder_in_diffusers_layout(self, request, name, tmp_path):
        narrow = request.getfixturevalue(name)
        narrow.assert_is_loaded(narrow.load(narrow.write_folder(tmp_path / "folder")))

    def test_attention_under_its_old_names(self, sd21, folder, respell):
        path = respell("vae", sd21.under_old_names)
        assert "encoder.mid_block.attentions.0.proj_attn.bias" in load_file(path)
        sd21.assert_is_loaded(sd21.load(folder))

    def test_pinned_files(self, sd21, folder, respell, toolkit_home):
        respell("vae", sd21.under_old_names)  # as it was published
        pinned = {}
        for part in PARTS:
            path = toolkit_home / "weights" / f"{part}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            (folder / part / WEIGHTS).rename(path)
            pinned[part] = WeightFile(
                name=path.name,
                sha256=weights.digest(path),
                size=path.stat().st_size,
                licence="CC0-1.0",
                sources=(),
            )
        backbone = LatentDiffusion("sd21", sd21.architecture, Published(pinned))
        sd21.assert_is_loaded(backbone)
        unchecked = LatentDiffusion("sd21", sd21.architecture, Published(pinned))
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(WeightsError, match="was damaged"):
            unchecked.unet()

    @pytest.mark.parametrize("half", ["", ".fp16"])
    def test_shards(self, sd21, folder, half):
        part = folder / "unet"
        tensors = load_file(part / WEIGHTS)
        (part / WEIGHTS).unlink()
        shards = [f"shard-{number}{half}.safetensors" for number in range(3)]
        places = {name: shards[number % 3] for number, name in enumerate(tensors)}
        for shard in shards:
            mine = {name: each for name, each in tensors.items() if places[name] == shard}
            save_file(mine, part / shard)
        index = {"metadata": {"total_size": 1}, "weight_map": places}
        (part / f"{WEIGHTS}.index{half}.json").write_text(json.dumps(index))
        sd21.assert_is_loaded(sd21.load(folder))
        (part / shards[1]).unlink()
        with pytest.raises(WeightsError, match=re.escape(f"no {part / shards[1]}")):
            sd21.load(folder).unet()

    def test_half_precision_where_there_is_no_other(self, sd21, folder):
        for part in PARTS:
            halves = {name: each.half() for name, each in sd21.weights[part].items()}
            save_file(halves, folder / part / HALF)
            (folder / part / WEIGHTS).unlink()
        unet = sd21.load(folder).unet()
        assert unet.dtype == torch.float32
        for name, tensor in unet.state_dict().items():
            assert torch.equal(tensor, sd21.weights["unet"][name].half().float())

    def test_a_home_folder(self, sd21, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        sd21.write_folder(tmp_path / "models" / "sd21")
        sd21.assert_is_loaded(sd21.load("~/models/sd21"))

    def test_another_frame_for_the_same_weights(self, sd21, folder):
        config = json.loads((folder / "vae" / "config.json").read_text())
        config |= {"sample_size": 96, "force_upcast": False, "_class_name": "Other", "new": None}
        (folder / "vae" / "config.json").write_text(json.dumps(config))
        sd21.assert_is_loaded(sd21.load(folder))

    @pytest.mark.parametrize("part", PARTS)
    def test_each_part_alone(self, sd21, tmp_path, part):
        prefix = {"vae": "first_stage_model.", "unet": "model.diffusion_model."}[part]
        mine = {name: each for name, each in sd21.original().items() if name.startswith(prefix)}
        path = sd21.write_file(tmp_path / "part.safetensors", mine)
        sd21.write_folder(tmp_path / "folder", parts=[part])
        [other] = set(PARTS) - {part}
        for place in (path, tmp_path / "folder"):
            backbone = sd21.load(place)
            loaded = getattr(backbone, part)().state_dict()
            assert all(torch.equal(loaded[name], each) for name, each in sd21.weights[part].items())
            with pytest.raises(WeightsError):
                getattr(backbone, other)()

    def test_a_fingerprint_is_of_the_files(self, sd21, folder, respell):
        before = sd21.load(folder).fingerprint
        assert sd21.load(folder).fingerprint == before
        respell("vae", lambda tensors: {name: each + 1 for name, each in tensors.items()})
        assert sd21.load(folder).fingerprint != before


class TestPrecision:
    @pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
    def test_it_is_what_was_asked_for(self, sd21, folder, precision):
        backbone = sd21.load(folder, precision=precision)
        for part, network in (("vae", backbone.vae()), ("unet", backbone.unet())):
            for name, tensor in network.state_dict().items():
                assert torch.equal(tensor, sd21.weights[part][name].to(precision))

    @pytest.mark.parametrize(
        ("precision", "held"),
        [("float16", torch.float32), ("bfloat16", torch.bfloat16), ("float32", torch.float32)],
    )
    def test_the_autoencoder_of_sdxl_overflows_in_float16(self, precision, held):
        backbone = toolkit.make("backbone", "sdxl:tiny", precision=precision)
        assert {each.dtype for each in backbone.vae().parameters()} == {held}
        assert {each.dtype for each in backbone.unet().parameters()} == {getattr(torch, precision)}


class TestWhatNeedsNoFile:
    def test_a_name_on_the_hub_is_known_by_its_form(self, sd21):
        source = named_source("OWNER/a-name_2.1", "sd21", sd21.architecture)
        assert isinstance(source, Repository)

    @pytest.mark.parametrize("name", ["sd21", "sdxl"])
    def test_random_weights_are_always_the_same(self, name):
        before = torch.get_rng_state()
        one = toolkit.make("backbone", f"{name}:tiny")
        torch.rand(3)
        other = toolkit.make("backbone", f"{name}:tiny")
        torch.set_rng_state(before)
        for part in PARTS:
            mine, theirs = getattr(one, part)().state_dict(), getattr(other, part)().state_dict()
            assert all(torch.equal(theirs[key], tensor) for key, tensor in mine.items())
        assert one.fingerprint == other.fingerprint
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize(
        ("name", "unet_size", "width"),
        [("sd21", 865_910_724, 1024), ("sdxl", 2_567_463_684, 2048)],
    )
    @pytest.mark.parametrize("is_file", [False, True])
    def test_nothing_is_read_on_the_meta_device(
        self, toolkit_home, tmp_path, name, unet_size, width, is_file
    ):
        backbone = Context(installed(), read_weights=False).make("backbone", name)
        if is_file:
            architecture = published_architecture(name)
            source = SingleFile(tmp_path / "away.safetensors", architecture)
            backbone = LatentDiffusion(
                name, architecture, source, precision=torch.bfloat16, hollow=True
            )
        with torch.device("meta"):
            vae, unet = backbone.vae(), backbone.unet(shared=is_file)
            assert backbone.fingerprint
        for network, size in ((vae, 83_653_863), (unet, unet_size)):
            assert sum(each.numel() for each in network.parameters()) == size
            assert all(each.is_meta for each in network.state_dict().values())
            assert network.dtype == (torch.bfloat16 if is_file else torch.float32)
        assert backbone.text_width == width
        assert backbone.condition().text.shape == (1, 77, width)
        assert (backbone.factor, backbone.latent_channels) == (8, 4)
        assert list(tmp_path.iterdir()) == []

    def test_sdxl_is_told_sizes_and_a_pooled_text(self):
        assert toolkit.make("backbone", "sdxl").condition().pooled.shape == (1, 1280)
        assert not hasattr(toolkit.make("backbone", "sd21").condition(), "pooled")
