"""Weights that are refused, each in words that name the place."""

import json
import os
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import toolkit
from toolkit.errors import WeightsError
from toolkit_backbones.architecture import PARTS
from toolkit_backbones.files import WEIGHTS


def without(name):
    """Takes one tensor out."""
    return lambda tensors: {key: each for key, each in tensors.items() if key != name}


def refuse(self, host, port):
    """A network that leads nowhere."""
    self._failures[host, port] = "no network"


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet", "conv_in.weight"),
        ("unet", "mid_block.attentions.0.transformer_blocks.0.attn2.to_k.weight"),
        ("vae", "decoder.mid_block.attentions.0.to_q.weight"),
    ],
)
def test_a_missing_tensor_in_a_folder(sd21, folder, respell, part, name):
    path = respell(part, without(name))
    with pytest.raises(WeightsError, match=re.escape(f"{path} lacks {name}")):
        getattr(sd21.load(folder), part)()


def test_a_missing_tensor_with_an_old_name(sd21, folder, respell):
    name = "encoder.mid_block.attentions.0.query.weight"
    path = respell("vae", lambda tensors: without(name)(sd21.under_old_names(tensors)))
    with pytest.raises(WeightsError, match=rf"{re.escape(str(path))} lacks .* or {name}\."):
        sd21.load(folder).vae()


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("unet", "model.diffusion_model.output_blocks.1.1.conv.bias"),
        ("vae", "first_stage_model.encoder.mid.attn_1.proj_out.weight"),
    ],
)
def test_a_missing_tensor_in_a_file(sd21, tmp_path, part, name):
    path = sd21.write_file(tmp_path / "model.safetensors", without(name)(sd21.original()))
    with pytest.raises(WeightsError, match=re.escape(f"{path} lacks {name}.")):
        getattr(sd21.load(path), part)()


def test_a_tensor_too_many_in_a_folder(sd21, folder, respell):
    path = respell("unet", lambda tensors: tensors | {"add_embedding.bias": torch.ones(1)})
    with pytest.raises(WeightsError, match=re.escape(f"{path} has add_embedding.bias, which")):
        sd21.load(folder).unet()


def test_a_tensor_under_both_its_names(sd21, folder, respell):
    both = sd21.under_old_names(load_file(folder / "vae" / WEIGHTS))
    respell("vae", lambda tensors: tensors | both)
    with pytest.raises(WeightsError, match=r"attentions\.0\.key\.bias, .* and 15 more"):
        sd21.load(folder).vae()


def test_tensors_too_many_in_a_file(sd21, tmp_path):
    name = "model.diffusion_model.label_emb.0.0.weight"
    more = {name: torch.ones(1), "model.diffusion_model.z": torch.ones(1)}
    path = sd21.write_file(tmp_path / "model.safetensors", sd21.original() | more)
    with pytest.raises(WeightsError, match=re.escape(f"{path} has {name}, which")) as raised:
        sd21.load(path).unet()
    assert "and 1 more" in str(raised.value)
    sd21.load(path).vae()


def test_a_tensor_of_another_shape_in_a_folder(sd21, folder, respell):
    wide = {"conv_in.weight": torch.ones(16, 9, 3, 3)}
    path = respell("unet", lambda tensors: tensors | wide)
    told = f"conv_in.weight is (16, 9, 3, 3) in {path}, but (16, 4, 3, 3) in this model."
    with pytest.raises(WeightsError, match=re.escape(told)):
        sd21.load(folder).unet()


def test_a_tensor_of_another_shape_in_a_file(sd21, tmp_path):
    name = "first_stage_model.decoder.mid.attn_1.q.weight"
    wide = {name: torch.ones(16, 16, 3, 3)}
    path = sd21.write_file(tmp_path / "model.safetensors", sd21.original() | wide)
    told = f"{name} is (16, 16, 3, 3) in {path}, but (16, 16) in this model."
    with pytest.raises(WeightsError, match=re.escape(told)):
        sd21.load(path).vae()


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 500, 0.5, -1])
def test_a_file_that_ends_early(sd21, folder, tmp_path, kept):
    file = sd21.write_file(tmp_path / "model.safetensors")
    for path, place in ((file, file), (folder / "unet" / WEIGHTS, folder)):
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept) if kept == 0.5 else kept])
        with pytest.raises(WeightsError, match=re.escape(f"{path} is damaged")):
            sd21.load(place).unet()


def test_a_header_that_is_no_header(sd21, tmp_path):
    path = tmp_path / "model.safetensors"
    for content in (b"not a model", b"\xff" * 64, b"\x02" + bytes(7) + b"[]", bytes(64)):
        path.write_bytes(content)
        with pytest.raises(WeightsError, match=re.escape(f"{path} is damaged")):
            sd21.load(path).unet()


@pytest.mark.parametrize("part", PARTS)
def test_a_folder_of_another_model(sd21, sdxl, tmp_path, part):
    sdxl.write_folder(tmp_path)
    with pytest.raises(WeightsError, match=rf"{part} contains another model than 'sd21'.* is "):
        getattr(sd21.load(tmp_path), part)()


def test_a_file_of_another_model(sd21, sdxl, tmp_path):
    path = sdxl.write_file(tmp_path / "model.safetensors")
    with pytest.raises(WeightsError, match=re.escape(str(path))):
        sd21.load(path).unet()


def test_a_model_that_predicts_no_noise(sd21, folder):
    schedule = folder / "scheduler" / "scheduler_config.json"
    schedule.parent.mkdir()
    schedule.write_text('{"prediction_type": "epsilon"}')
    sd21.load(folder).unet()
    schedule.write_text('{"prediction_type": "v_prediction"}')
    for backbone in (sd21.load(folder), toolkit.make("backbone", f"pocket:{folder}")):
        with pytest.raises(WeightsError, match="predicts v_prediction, not the noise"):
            backbone.unet()


@pytest.mark.parametrize("content", ["", "[]", "{", "\xff"])
@pytest.mark.parametrize("name", ["config.json", f"{WEIGHTS}.index.json"])
def test_a_configuration_that_is_none(sd21, folder, name, content):
    (folder / "unet" / WEIGHTS).unlink()
    (folder / "unet" / name).write_text(content, encoding="latin-1")
    with pytest.raises(WeightsError, match=re.escape(str(folder / "unet" / name))):
        sd21.load(folder).unet()


@pytest.mark.parametrize("content", ["{}", '{"weight_map": []}', '{"weight_map": {}}'])
def test_an_index_of_nothing(sd21, folder, content):
    (folder / "unet" / WEIGHTS).unlink()
    (folder / "unet" / f"{WEIGHTS}.index.json").write_text(content)
    with pytest.raises(WeightsError, match="names no file of weights"):
        sd21.load(folder).unet()


def test_shards_outside_the_folder_are_not_read(sd21, folder):
    (folder / "unet" / WEIGHTS).rename(folder / "away.safetensors")
    index = {"weight_map": dict.fromkeys(sd21.weights["unet"], "../away.safetensors")}
    (folder / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    place = re.escape(str(folder / "unet" / "away.safetensors"))
    with pytest.raises(WeightsError, match=f"no {place}"):
        sd21.load(folder).unet()


def test_a_folder_without_weights(sd21, folder):
    (folder / "unet" / WEIGHTS).rename(folder / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(WeightsError, match=re.escape(f"lacks {folder / 'unet' / WEIGHTS}")):
        sd21.load(folder).unet()


def test_a_folder_of_something_else(sd21, tmp_path):
    with pytest.raises(WeightsError, match=r"no .*unet/config\.json") as raised:
        sd21.load(tmp_path).unet()
    assert "vae and unet" in raised.value.hint


@pytest.mark.parametrize("part", PARTS)
def test_a_configuration_that_says_too_little(folder, part):
    (folder / part / "config.json").write_text("{}")
    told = rf"{part}/config\.json lacks "
    with pytest.raises(WeightsError, match=told):
        toolkit.make("backbone", f"pocket:{folder}")


class Exploit:
    def __reduce__(self):
        return os.mkdir, ("exploited",)


@pytest.mark.parametrize("name", ["model.ckpt", "model.bin", "model"])
def test_a_file_that_may_run_code(tmp_path, name):
    (tmp_path / name).write_bytes(pickle.dumps({"state_dict": Exploit()}))
    with pytest.raises(WeightsError, match="not a plain file of tensors") as found:
        toolkit.make("backbone", f"sd21:{tmp_path / name}").unet()
    assert "save its tensors alone" in found.value.hint
    assert not Path("exploited").exists()


@pytest.mark.parametrize(
    "text",
    ["/no/such/folder", "nothing", "a/b/c", "models/v2-1.safetensors", "models/v2-1.ckpt",
     "~/no/such/folder", "a b/c", "../models"],
)  # fmt: skip
def test_a_place_that_is_not_there(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="no folder or file") as raised:
        toolkit.make("backbone", f"sdxl:{text}")
    assert "sdxl:OWNER/NAME" in raised.value.hint


def test_a_place_that_cannot_be():
    with pytest.raises(WeightsError, match="is not a valid path"):
        toolkit.make("backbone", f"sd21:/{'x' * 300}")
    with pytest.raises(WeightsError, match="no folder or file '~nobody-here/sd21'"):
        toolkit.make("backbone", "sd21:~nobody-here/sd21")


def test_published_weights_that_cannot_be_fetched(toolkit_home, monkeypatch):
    monkeypatch.setattr("toolkit.weights.network.Probes._connect", refuse)
    for name in ("sd21", "sdxl"):
        with pytest.raises(WeightsError, match=f"{name}-unet.* is not cached") as raised:
            toolkit.make("backbone", name).unet()
        assert f"toolkit weights fetch {name}-unet" in raised.value.hint
