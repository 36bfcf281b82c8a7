"""Weight files are read without running anything."""

import builtins
import os
import pickle
import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from toolkit import weights
from toolkit.errors import WeightsError

RAN = []


def test_arrays_are_read(tmp_path):
    arrays = {"net": {"w": np.arange(6.0).reshape(2, 3), "scale": np.float32(3)}, "names": ["a"]}
    (tmp_path / "net.pkl").write_bytes(pickle.dumps(arrays))
    read = weights.read_arrays(tmp_path / "net.pkl")
    assert (read["net"]["w"] == arrays["net"]["w"]).all()
    assert read["net"]["scale"] == 3
    assert read["names"] == ["a"]


class Calls:
    """Unpickles as a call of whatever it is given."""

    def __init__(self, function, *arguments):
        self.called = function, arguments

    def __reduce__(self):
        return self.called


def note_that_it_ran(*arguments):
    RAN.append(arguments)


MALICIOUS = {
    "own function": Calls(note_that_it_ran, 1),
    "exec": Calls(builtins.exec, "raise SystemExit"),
    "eval": Calls(builtins.eval, "1/0"),
    "system": Calls(os.system, "exit 3"),
    "getattr": Calls(getattr, {}, "pop"),
    "hidden deep": {"w": [np.zeros(2), {"x": Calls(note_that_it_ran, 2)}]},
}


@pytest.mark.parametrize("payload", MALICIOUS.values(), ids=MALICIOUS)
@pytest.mark.parametrize("protocol", [0, 2, pickle.HIGHEST_PROTOCOL])
def test_a_pickle_that_would_run_something_is_refused_and_runs_nothing(tmp_path, payload, protocol):
    path = tmp_path / "evil.pkl"
    path.write_bytes(pickle.dumps(payload, protocol))
    with pytest.raises(WeightsError, match="is not a plain file of arrays"):
        weights.read_arrays(path)
    assert RAN == []


@pytest.mark.parametrize(
    "content", [b"", b"not a pickle", b"\x80\x05", b"\x80\x05K", b"\x80\x05\x95\x09"]
)
def test_what_is_no_pickle_is_refused(tmp_path, content):
    (tmp_path / "torn.pkl").write_bytes(content)
    with pytest.raises(WeightsError, match=r"torn\.pkl"):
        weights.read_arrays(tmp_path / "torn.pkl")


def test_a_pickle_cut_anywhere_is_refused(tmp_path):
    whole = pickle.dumps({"w": np.arange(3.0)})
    for length in range(len(whole)):
        (tmp_path / "torn.pkl").write_bytes(whole[:length])
        with pytest.raises(WeightsError):
            weights.read_arrays(tmp_path / "torn.pkl")


TENSORS = {"w": torch.arange(6.0).reshape(2, 3), "n": torch.tensor([1, 2])}


def save(path, suffix):
    if suffix == ".safetensors":
        save_file(TENSORS, path)
    elif suffix == ".npz":
        np.savez(path, **{name: tensor.numpy() for name, tensor in TENSORS.items()})
    else:
        torch.save(TENSORS, path)


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth", ".pt"])
def test_tensors_are_read(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    save(path, suffix)
    read = weights.read_tensors(path)
    assert read.keys() == TENSORS.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in TENSORS.items())


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".pth"])
def test_a_torn_file_of_tensors_is_refused(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    save(path, suffix)
    whole = path.read_bytes()
    for length in (0, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(WeightsError, match="net"):
            weights.read_tensors(path)


def test_names_of_a_trainers_classes_are_no_code(tmp_path, monkeypatch):
    """As in checkpoints of PyTorch Lightning 1, which key a callback's state by its class."""
    name = "pytorch_lightning.callbacks.model_checkpoint"
    module = types.ModuleType(name)
    module.ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name})
    modules = ("pytorch_lightning", "pytorch_lightning.callbacks", name)
    for each in modules:
        monkeypatch.setitem(sys.modules, each, module)
    content = {"callbacks": {module.ModelCheckpoint: {"best": 0.5}}, "state_dict": TENSORS}
    torch.save(content, tmp_path / "net.ckpt")
    for each in modules:
        monkeypatch.delitem(sys.modules, each)
    read = weights.read_tensors(tmp_path / "net.ckpt")
    assert read["state_dict"].keys() == TENSORS.keys()
    assert [*read["callbacks"].values()] == [{"best": 0.5}]
    assert name not in sys.modules


@pytest.mark.parametrize("payload", MALICIOUS.values(), ids=MALICIOUS)
@pytest.mark.parametrize("suffix", [".npz", ".pth", ".pickle"])
def test_a_file_of_tensors_that_would_run_something_is_refused(tmp_path, payload, suffix):
    path = tmp_path / f"evil{suffix}"
    if suffix == ".npz":
        np.savez(path, evil=np.array([payload], dtype=object))
    elif suffix == ".pth":
        torch.save({"w": payload}, path)
    else:
        path.write_bytes(pickle.dumps(payload))
    with pytest.raises(WeightsError, match="is not a plain file of tensors"):
        weights.read_tensors(path)
    assert RAN == []


def test_a_file_that_is_not_there_is_told(tmp_path):
    for name in ("net.pth", "net.npz", "net.safetensors"):
        with pytest.raises(WeightsError, match=name):
            weights.read_tensors(tmp_path / name)
