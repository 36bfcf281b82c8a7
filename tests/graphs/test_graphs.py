"""A restorer's graph: the same images as by PyTorch, in a file that stands alone."""

import pytest
import torch

import toolkit
from toolkit.errors import ToolkitError, UsageError
from toolkit.graphs import GraphRestorer, write_graph, writing
from toolkit_restorers.network import Network

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

STEP = 1 / 255


def test_a_plain_network_restores_as_by_pytorch(tiny, photographs, written):
    graph = GraphRestorer(written)
    assert (graph.name, graph.scale) == ("tiny", 4)
    for lr in photographs:
        found, expected = graph(lr), tiny(lr)
        assert found.shape == expected.shape == (1, 3, 4 * lr.shape[2], 4 * lr.shape[3])
        assert expected.std() > 0.05
        assert (found - expected).abs().max() < STEP
    both = torch.cat([photographs[1], 1 - photographs[1]])
    assert (graph(both) - tiny(both)).abs().max() < STEP


def test_the_file_tells_what_it_is_and_nothing_of_this_machine(written):
    assert [path.name for path in written.parent.iterdir()] == ["tiny.onnx"]
    model = onnx.load(written)
    assert {each.key: each.value for each in model.metadata_props} == {
        "scale": "4",
        "licence": "MIT",
    }
    assert [each.version for each in model.opset_import] == [writing.OPSET]
    [lr], [sr] = model.graph.input, model.graph.output
    assert (lr.name, sr.name) == ("lr", "sr")
    dims = lr.type.tensor_type.shape.dim
    assert [bool(dim.dim_param) for dim in dims] == [True, False, True, True]
    content = written.read_bytes()
    assert b".py" not in content
    assert b"stack_trace" not in content


@pytest.mark.slow
def test_pocket_restores_as_by_pytorch(photographs, tmp_path):
    pocket = toolkit.make("restorer", "pocket")
    write_graph(pocket, tmp_path / "pocket.onnx", {})
    graph = GraphRestorer(tmp_path / "pocket.onnx")
    for lr in photographs:
        assert (graph(lr) - pocket(lr)).abs().max() < STEP


def refused(restorer, tmp_path, told):
    with pytest.raises(UsageError, match=told) as error:
        write_graph(restorer, tmp_path / "graph.onnx", {})
    assert error.value.hint.endswith("--engine torch")


class Deciding(torch.nn.Module):
    """Decides by the values of an image."""

    def forward(self, x):
        x = x.repeat_interleave(4, 2).repeat_interleave(4, 3)
        return 1 - x if x.mean() > 0.5 else x


def test_what_cannot_be_a_graph_is_refused_with_the_reason(tiny, tmp_path, monkeypatch):
    refused(toolkit.make("restorer", "bicubic"), tmp_path, "bicubic .* more than one network")
    refused(Network("deciding", Deciding()), tmp_path, "deciding .* cannot trace it")
    tiny._network.half()
    refused(tiny, tmp_path, "tiny .* in float16, and graphs are in float32")


def test_a_graph_that_differs_is_refused(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(type(tiny), "__call__", lambda self, lr: self.network()(lr) + 0.1)
    refused(tiny, tmp_path, r"its graph differs from it by 2\d of 255")


def test_a_sampled_posterior_is_refused(tmp_path):
    sampled = toolkit.make("generator", "one-step:sd21:tiny", lora_rank=2, posterior="sample")
    with pytest.raises(ToolkitError, match=r"gen\.posterior=sample draws noise"):
        write_graph(sampled.as_restorer(), tmp_path / "graph.onnx", {})


def test_a_damaged_file_is_told(tmp_path):
    (tmp_path / "graph.onnx").write_bytes(b"no graph")
    with pytest.raises(ToolkitError, match=r"graph\.onnx is no graph") as error:
        GraphRestorer(tmp_path / "graph.onnx")
    assert "--to onnx" in error.value.hint


def test_lack_of_memory_is_told_as_such(written):
    class Session:
        def run(self, *_):
            raise RuntimeError("Failed to allocate memory for requested buffer of size 9")

    graph = GraphRestorer(written)
    graph._session = Session()
    with pytest.raises(MemoryError):
        graph(torch.rand(1, 3, 8, 8))


def test_without_the_extra_the_command_to_install_it_is_told(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.graphs.installed.is_installed", lambda name: name != "onnxruntime")
    for work in (
        lambda: write_graph(tiny, tmp_path / "x.onnx", {}),
        lambda: GraphRestorer(tmp_path),
    ):
        with pytest.raises(UsageError, match="need onnxruntime, which is not") as error:
            work()
        assert error.value.hint == "pip install 'restoration-toolkit[onnx]'"
