"""Checkpoints: exact, whole or not there, and every kind of damage found."""

import os
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save_file

from toolkit.checkpoints import (
    checkpoint_path,
    checkpoints,
    load_part,
    load_tensors,
    read_metadata,
    save_checkpoint,
)
from toolkit.errors import CheckpointError


def parts():
    rng = torch.Generator().manual_seed(1)
    return {
        "generator": {
            "text": torch.randn(1, 7, 4, generator=rng),
            "unet.a/b": torch.randn(3, generator=rng),
        },
        "generator.optimizer": {
            "text:step": torch.tensor(3.0),
            "text:exp_avg": torch.tensor([0.0, -0.0, float("inf"), 1e-45]),
        },
        "discriminator": {
            "half": torch.arange(4).to(torch.bfloat16),
            "count": torch.tensor(2**60),
            "none": torch.zeros(0, 3),
            "turned": torch.arange(6.0).reshape(2, 3).T,
        },
        "empty": {},
    }


@pytest.fixture
def saved(tmp_path):
    path = checkpoint_path(tmp_path, 12)
    save_checkpoint(path, parts(), {"step": "12", "fingerprint": "abc"})
    return path


def test_every_part_comes_back_bit_by_bit(saved):
    for part, content in parts().items():
        loaded = load_part(saved, part)
        assert loaded.keys() == content.keys()
        for name, tensor in content.items():
            assert loaded[name].dtype == tensor.dtype
            assert loaded[name].shape == tensor.shape
            assert torch.equal(loaded[name], tensor)
    metadata = read_metadata(saved)
    assert (metadata["step"], metadata["fingerprint"]) == ("12", "abc")


def test_the_same_state_makes_the_same_file(saved, tmp_path):
    save_checkpoint(tmp_path / "again", parts(), {"step": "12", "fingerprint": "abc"})
    again = load((tmp_path / "again").read_bytes())
    assert all(
        torch.equal(tensor, again[name]) for name, tensor in load(saved.read_bytes()).items()
    )
    assert read_metadata(tmp_path / "again") == read_metadata(saved)


def test_tensors_that_share_memory_are_saved(tmp_path):
    shared = torch.arange(6.0)
    save_checkpoint(tmp_path / "c", {"p": {"a": shared, "b": shared, "c": shared[2:]}}, {})
    assert torch.equal(load_part(tmp_path / "c", "p")["c"], shared[2:])


def test_an_unknown_part_is_refused(saved):
    with pytest.raises(CheckpointError, match="not a checkpoint with a part 'gen'"):
        load_part(saved, "gen")


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 9, 100, 0.3, 0.9, -1])
def test_a_torn_file_is_refused(saved, kept):
    whole = saved.read_bytes()
    length = int(kept * len(whole)) if isinstance(kept, float) else kept
    saved.write_bytes(whole[:length])
    with pytest.raises(CheckpointError, match="is damaged") as told:
        load_part(saved, "generator")
    assert saved.name in str(told.value)
    assert "Delete it" in told.value.hint


def goes_unnoticed(path):
    try:
        read_metadata(path)
        for part in parts():
            load_part(path, part)
    except CheckpointError:
        return False
    return True


def test_no_flipped_bit_goes_unnoticed(saved):
    assert goes_unnoticed(saved)
    whole = saved.read_bytes()
    missed = []
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        saved.write_bytes(damaged)
        if goes_unnoticed(saved):
            missed.append(bytes(whole[max(place - 20, 0) : place + 20]))
    assert missed == []


def test_a_file_that_grew_is_refused(saved):
    saved.write_bytes(saved.read_bytes() + b"more")
    with pytest.raises(CheckpointError):
        load_part(saved, "generator")


def test_a_swapped_or_dropped_tensor_is_found(saved):
    tensors = load(saved.read_bytes())
    with safe_open(saved, framework="pt") as stream:
        metadata = stream.metadata()
    swapped = tensors | {"generator/unet.a/b": torch.zeros(3)}
    dropped = {name: tensor for name, tensor in tensors.items() if name != "generator/text"}
    for altered in (swapped, dropped, tensors | {"generator/new": torch.zeros(1)}):
        save_file(altered, saved, metadata)
        with pytest.raises(CheckpointError, match="was altered"):
            load_part(saved, "generator")


@pytest.mark.parametrize("metadata", [None, {}, {"sha256": "not json"}, {"sha256": "[]"}])
def test_other_safetensors_files_are_no_checkpoints(tmp_path, metadata):
    save_file({"generator/text": torch.zeros(1)}, tmp_path / "other.safetensors", metadata)
    with pytest.raises(CheckpointError, match=r"other\.safetensors is not a checkpoint"):
        load_part(tmp_path / "other.safetensors", "generator")


class Exits:
    def __reduce__(self):
        return os._exit, (3,)


def test_a_renamed_pickle_is_refused_and_not_run(tmp_path):
    path = checkpoint_path(tmp_path, 1)
    path.write_bytes(pickle.dumps(Exits()))
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        load_part(path, "generator")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="There is no checkpoint"):
        read_metadata(checkpoint_path(tmp_path, 1))


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(CheckpointError):
        read_metadata(tmp_path)


def test_an_interrupted_write_leaves_nothing_and_harms_nothing(saved, monkeypatch):
    before = saved.read_bytes()

    def fail(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", fail)
    for step in (12, 13):
        with pytest.raises(KeyboardInterrupt):
            save_checkpoint(checkpoint_path(saved.parent, step), {"generator": {}}, {})
    assert list(saved.parent.iterdir()) == [saved]
    assert saved.read_bytes() == before


def test_checkpoints_are_found_in_order_and_nothing_else(tmp_path):
    ordered = ["step-0000009.safetensors", "step-10.safetensors", "step-12345678.safetensors"]
    others = ["step-x.safetensors", "step-7.safetensors.tmp", ".step-8.safetensors"]
    for name in sorted(ordered + others):
        (tmp_path / name).touch()
    assert [path.name for path in checkpoints(tmp_path)] == ordered
    assert checkpoints(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": torch.ones(2)}, "lacks the net's b"),
        ({"a": torch.ones(2), "b": torch.ones(1), "c": torch.ones(1)}, "the net has no c"),
        ({"a": torch.ones(3), "b": torch.ones(1)}, r"the net's a is \(2,\) here and \(3,\)"),
    ],
)
def test_states_that_do_not_fit_change_nothing(state, message):
    own = {"b": torch.zeros(1), "a": torch.zeros(2)}
    with pytest.raises(CheckpointError, match=message) as told:
        load_tensors(own, state, "the net")
    assert "another backbone" in told.value.hint
    assert not any(tensor.any() for tensor in own.values())


def test_loading_copies_in_place_even_into_parameters():
    parameter = torch.nn.Parameter(torch.zeros(2))
    load_tensors({"a": parameter}, {"a": torch.ones(2)}, "the net")
    assert parameter.tolist() == [1, 1]
    assert parameter.requires_grad
