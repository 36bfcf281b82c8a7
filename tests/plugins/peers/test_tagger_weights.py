"""Weights of the tagger are read strictly, and DAPE's updates merged into the right rows."""

import functools

import pytest
import torch

from toolkit.plugin import Checkpoint, WeightsError
from toolkit_peers.tagger.network import FULL, TINY, create
from toolkit_peers.tagger.weights import (
    dape_layout,
    dape_values,
    merge,
    ram_values,
    read_network,
)

RAM = "ram_swin_large_14m.pth:model"
QKV = "visual_encoder.layers.2.blocks.17.attn.qkv"
QUERY = "tagging_head.encoder.layer.1.crossattention.self.query"
TABLE = "visual_encoder.layers.0.blocks.0.attn.relative_position_bias_table"


def lazily(shapes, label="file.pth"):
    """A checkpoint of zeros that takes no memory."""
    zero = torch.zeros(())
    content = {name: functools.partial(zero.expand, *shape) for name, shape in shapes.items()}
    return Checkpoint(label, content)


@pytest.fixture(scope="module")
def shapes(golden):
    """Shapes of the published files."""
    keys = golden("dape").keys
    return {file: {name: shape for name, (shape, _) in keys[file].items()} for file in keys}


@pytest.fixture(scope="module")
def ram(shapes):
    kinds = "used", "deleted on load", "constructed by the class, not used for tags"
    return {name: shape for kind in kinds for name, shape in shapes[f"{RAM} ({kind})"].items()}


@pytest.fixture(scope="module")
def hollow():
    return create(FULL, hollow=True).state_dict()


def test_ram_is_read_whole(hollow, ram, shapes):
    checkpoint = lazily(ram | {"a_surplus.weight": (3,), "tagging_head.embeddings.weight": (3,)})
    values = ram_values(hollow, checkpoint)
    assert {name: each.shape for name, each in values.items()} == {
        name: each.shape for name, each in hollow.items()
    }
    assert len(values) == len(shapes[f"{RAM} (used)"])


def test_ram_is_read_by_its_old_names(hollow, ram):
    old = {name.replace("tagging_head.", "vision_multi."): shape for name, shape in ram.items()}
    assert set(ram_values(hollow, lazily(old))) == set(hollow)
    del old["vision_multi.encoder.layer.0.output.dense.bias"]
    lacks = "tagging_head.encoder.layer.0.output.dense.bias or vision_multi.encoder.layer.0.output"
    with pytest.raises(WeightsError, match=lacks):
        ram_values(hollow, lazily(old))


def test_every_tensor_of_ram_is_needed(hollow, shapes):
    used = shapes[f"{RAM} (used)"]
    for name in used:
        rest = {other: shape for other, shape in used.items() if other != name}
        with pytest.raises(WeightsError, match=f"file.pth lacks {name}"):
            ram_values(hollow, lazily(rest))


def test_ram_of_another_window_is_not_interpolated(hollow, ram):
    with pytest.raises(WeightsError, match=rf"{TABLE} is \(169, 6\) in file.pth, but \(529, 6\)"):
        ram_values(hollow, lazily(ram | {TABLE: (169, 6)}))


@pytest.mark.parametrize(
    "name",
    [
        "visual_encoder.layers.2.blocks.18.norm1.weight",
        "visual_encoder.layers.0.blocks.0.attn.qkv.lora_A",
        "tagging_head.encoder.layer.2.output.dense.weight",
        "vision_multi.encoder.layer.1.output.dense.weight",
        "fc.weights",
    ],
)
def test_more_of_the_network_than_known_is_an_error(hollow, ram, name):
    with pytest.raises(WeightsError, match=f"file.pth has {name}"):
        ram_values(hollow, lazily(ram | {name: (3,)}))


def test_dape_has_the_published_layout(golden, shapes):
    layout = dape_layout(FULL)
    assert {name: list(shape) for name, shape in layout.items()} == shapes["DAPE.pth"]
    values = dape_values(FULL, lazily(shapes["DAPE.pth"]))
    assert sum(each.numel() for each in values.values()) == 1_777_664
    assert golden("dape").config["parameters"]["DAPE.pth"] == 1_777_664


def test_every_tensor_of_dape_is_needed(shapes):
    for name in shapes["DAPE.pth"]:
        rest = {other: shape for other, shape in shapes["DAPE.pth"].items() if other != name}
        with pytest.raises(WeightsError, match=f"file.pth lacks {name}"):
            dape_values(FULL, lazily(rest))


@pytest.mark.parametrize(
    "layer", [QKV, QUERY, "text_decoder.bert.encoder.layer.11.attention.self.key"]
)
def test_dape_of_another_rank_is_an_error(shapes, layer):
    rows, columns = shapes["DAPE.pth"][f"{layer}.lora_A"]
    other = shapes["DAPE.pth"] | {f"{layer}.lora_A": (rows // 2, columns)}
    with pytest.raises(WeightsError, match=rf"{layer}.lora_A is \({rows // 2}, {columns}\)"):
        dape_values(FULL, lazily(other))


def test_other_tensors_in_dape_are_an_error(shapes):
    with pytest.raises(WeightsError, match=r"file.pth has conv\.weight, which this model lacks"):
        dape_values(FULL, lazily(shapes["DAPE.pth"] | {"conv.weight": (3,)}))


def test_updates_change_queries_and_values_alone(golden):
    random = golden("dape").state(dape_layout(TINY))
    network = create(TINY)
    before = {name: each.clone() for name, each in network.state_dict().items()}
    values = {name: each.clone() for name, each in before.items()}
    merge(values, random)
    changed = {name for name in values if not torch.equal(values[name], before[name])}
    layers = {name.removesuffix(".lora_A") for name in random if name.endswith("lora_A")}
    own = {name for name in layers if name.startswith(("visual_encoder.", "tagging_head."))}
    assert changed == {f"{layer}.weight" for layer in own}
    layer = "visual_encoder.layers.1.blocks.0.attn.qkv"
    first, second = random[f"{layer}.lora_A"], random[f"{layer}.lora_B"]
    rows = (values[f"{layer}.weight"] - before[f"{layer}.weight"]).split(16)
    assert torch.allclose(rows[0], second[:16] @ first[:8] / 8, atol=1e-6)
    assert not rows[1].any()
    assert torch.allclose(rows[2], second[16:] @ first[8:] / 8, atol=1e-6)


@pytest.fixture
def files(golden, tmp_path):
    """Small files of RAM and DAPE, in half precision, and a function that rewrites one of them."""
    state = {
        name.replace("layers.1.down", "layers.0.down")
        .replace("layers.2.down", "layers.1.down")
        .replace("layers.3.down", "layers.2.down"): each.half()
        for name, each in create(TINY).state_dict().items()
    }
    updates = {name: each.half() for name, each in golden("dape").state(dape_layout(TINY)).items()}
    ram, dape = tmp_path / "ram.pth", tmp_path / "dape.pth"
    torch.save({"model": state, "epoch": 3}, ram)
    torch.save(updates, dape)
    return ram, dape, state, updates


def test_weights_are_merged_in_single_precision(files):
    ram, dape, state, updates = files
    network = read_network(TINY, ram, dape)
    name = "tagging_head.encoder.layer.0.crossattention.self.key"
    wanted = state[f"{name}.weight"].float()
    for layer in (name, name.replace("tagging_head", "tag_encoder")):  # whose weights are tied
        wanted = wanted + (
            updates[f"{layer}.lora_B"].float() @ updates[f"{layer}.lora_A"].float() / 8
        )
    assert torch.allclose(network.get_parameter(f"{name}.weight"), wanted, rtol=0, atol=1e-7)
    assert {each.dtype for each in network.state_dict().values()} == {torch.float32}


def test_without_dape_the_weights_are_those_of_ram(files):
    ram, _, state, _ = files
    for name, each in read_network(TINY, ram).state_dict().items():
        if "downsample" not in name:
            assert torch.equal(each, state[name].float())


@pytest.mark.parametrize("which", [0, 1])
def test_torn_and_absent_files_are_named(files, which):
    path = files[which]
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(WeightsError, match=rf"{path.name} is not a plain file of tensors"):
        read_network(TINY, *files[:2])
    path.unlink()
    with pytest.raises(WeightsError, match=rf"There is no .*{path.name}"):
        read_network(TINY, *files[:2])


def test_swapped_files_are_named(files):
    ram, dape, *_ = files
    with pytest.raises(WeightsError, match=r"dape.pth lacks model"):
        read_network(TINY, dape, dape)
    with pytest.raises(WeightsError, match=r"ram.pth lacks .*lora_A"):
        read_network(TINY, ram, ram)
