"""Engines: a graph is written once for the same weights, and executed on the processor."""

import pytest
import torch

from toolkit.errors import UsageError
from toolkit.restoring import engines
from toolkit.restoring.engines import with_engine
from toolkit_restorers.network import Network

pytest.importorskip("onnxruntime")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def written(monkeypatch):
    """The restorers whose graphs were written."""
    names, write = [], engines.write_graph

    def counting(restorer, *more):
        names.append(restorer)
        write(restorer, *more)

    monkeypatch.setattr(engines, "write_graph", counting)
    return names


def tiny(seed=0):
    torch.manual_seed(seed)
    layers = torch.nn.Conv2d(3, 48, 3, padding=1), torch.nn.PixelShuffle(4), torch.nn.Sigmoid()
    return Network("tiny", torch.nn.Sequential(*layers))


@pytest.mark.parametrize("engine", ["auto", "torch"])
def test_pytorch_restores_by_default(engine):
    restorer = tiny()
    assert with_engine(restorer, engine, CPU) is restorer


def test_a_graph_is_written_once_for_the_same_weights(written, home):
    first, again, other = (with_engine(tiny(seed), "onnx", CPU) for seed in (0, 0, 1))
    assert len(written) == 2
    assert len(list(home.glob("graphs/tiny-*/model.onnx"))) == 2
    lr = torch.rand(1, 3, 9, 7)
    assert torch.equal(first(lr), again(lr))
    assert (first(lr) - tiny()(lr)).abs().max() < 1e-5
    assert (other(lr) - tiny()(lr)).abs().max() > 0.01


def test_other_versions_write_it_again(written, monkeypatch):
    with_engine(tiny(), "onnx", CPU)
    monkeypatch.setattr(engines, "versions", lambda: {"onnxruntime": "99"})
    with_engine(tiny(), "onnx", CPU)
    assert len(written) == 2


def test_what_the_restorer_says_of_itself_is_kept():
    restorer = tiny()
    restorer.avoids_tiles = restorer.matches_colours = True
    graph = with_engine(restorer, "onnx", CPU)
    assert (graph.name, graph.avoids_tiles, graph.matches_colours) == ("tiny", True, True)


def test_an_accelerator_is_refused():
    with pytest.raises(UsageError, match="on the processor, and the device is cuda") as error:
        with_engine(tiny(), "onnx", torch.device("cuda"))
    assert "--device cpu" in error.value.hint
