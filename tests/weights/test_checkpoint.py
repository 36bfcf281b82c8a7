"""Checkpoints as they are found in the world, loaded strictly."""

import pytest
import torch
from safetensors.torch import save_file

from toolkit.errors import WeightsError
from toolkit.weights import Checkpoint, fill


@pytest.fixture
def tensors():
    return {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2)}


@pytest.fixture
def network():
    return torch.nn.ModuleDict({"conv": torch.nn.Linear(3, 2)}).state_dict()


@pytest.mark.parametrize("name", ["net.safetensors", "net.pth"])
def test_a_file_of_either_format(tmp_path, tensors, network, name):
    path = tmp_path / name
    (save_file if name.endswith(".safetensors") else torch.save)(tensors, path)
    checkpoint = Checkpoint.read(path)
    assert sorted(checkpoint.names) == ["conv.bias", "conv.weight"]
    assert checkpoint.label == str(path)
    values = fill(network, checkpoint, precision=torch.bfloat16)
    assert values["conv.weight"].dtype == torch.bfloat16
    assert torch.equal(values["conv.weight"].float(), tensors["conv.weight"])


def test_shards_are_one_checkpoint(tmp_path, tensors, network):
    paths = [tmp_path / f"{number}.safetensors" for number in range(2)]
    for path, (name, value) in zip(paths, tensors.items(), strict=True):
        save_file({name: value}, path)
    assert fill(network, Checkpoint.read(*paths)).keys() == network.keys()


def test_values_share_no_memory_with_the_file(tmp_path, tensors, network):
    torch.save(tensors, tmp_path / "net.pth")
    checkpoint = Checkpoint.read(tmp_path / "net.pth")
    fill(network, checkpoint)["conv.weight"].zero_()
    assert checkpoint["conv.weight"].all()


def test_wrappers_and_prefixes_are_taken_off(tensors, network):
    inner = {f"module.{name}": value for name, value in tensors.items()}
    for content in (tensors, inner, {"state_dict": inner, "epoch": 3}):
        assert fill(network, Checkpoint("net.pth", content).unwrapped()).keys() == network.keys()
    with pytest.raises(WeightsError, match=r"net\.pth lacks model"):
        Checkpoint("net.pth", tensors).part("model")
    part = Checkpoint("net.pth", {"model": tensors, "rank": 4}).part("other", "model")
    assert part.names == list(tensors)
    assert Checkpoint("net.pth", {"rank": 4, **tensors}).value("rank") == 4
    assert Checkpoint("net.pth", {"rank": 4, **tensors}).names == list(tensors)


def test_names_are_translated_and_left_out(tensors, network):
    other = {f"old.{name}": value for name, value in tensors.items()} | {"more": torch.ones(1)}
    checkpoint = Checkpoint("net.pth", other)
    assert fill(network, checkpoint, lambda name: [name, f"old.{name}"], prefix="old.")
    kept = checkpoint.renamed(lambda name: name[4:] if name.startswith("old.") else None)
    assert fill(network, kept).keys() == network.keys()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"conv.weight": None}, r"net\.pth lacks conv\.weight\.$"),
        ({"conv.more": torch.ones(1)}, r"net\.pth has conv\.more, which this model lacks\.$"),
        ({"a": torch.ones(1), "b": torch.ones(1)}, r"has a, which .*, and 1 more\.$"),
        ({"conv.bias": torch.ones(3)}, r"conv\.bias is \(3,\) in net\.pth, but \(2,\)"),
    ],
)
def test_a_tensor_that_does_not_fit_is_named(tensors, network, change, told):
    content = {name: each for name, each in (tensors | change).items() if each is not None}
    with pytest.raises(WeightsError, match=told) as error:
        fill(network, Checkpoint("net.pth", content))
    assert error.value.hint


def test_convolutions_of_one_pixel_are_linear_layers(tensors, network):
    tensors["conv.weight"] = torch.ones(2, 3, 1, 1)
    assert fill(network, Checkpoint("net.pth", tensors))["conv.weight"].shape == (2, 3)


def test_files_that_hold_no_network(tmp_path):
    with pytest.raises(WeightsError, match=r"There is no .*none\.pth"):
        Checkpoint.read(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match=r"There is no .*none\.safetensors"):
        Checkpoint.read(tmp_path / "none.safetensors")
    with pytest.raises(WeightsError, match="is a folder, not a file of weights"):
        Checkpoint.read(tmp_path)
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="holds no network"):
        Checkpoint.read(tmp_path / "list.pth")
    (tmp_path / "torn.safetensors").write_bytes(b"12345678")
    with pytest.raises(WeightsError, match=r"torn\.safetensors is damaged"):
        Checkpoint.read(tmp_path / "torn.safetensors")
