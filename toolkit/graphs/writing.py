"""Writes a restorer as an ONNX graph, and compares the graph with PyTorch."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from toolkit.abilities import Traceable
from toolkit.contracts import restored
from toolkit.errors import UsageError
from toolkit.graphs.installed import check_installed
from toolkit.graphs.running import INPUT, OUTPUT, SCALE, GraphRestorer
from toolkit.images import bicubic_resize
from toolkit.makers import border

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

    from toolkit.interfaces import Restorer

OPSET = 20
"""PyTorch's own choice where all operations are known; ONNX Runtime 1.17 and newer execute it."""
TOLERANCE = 1 / 255
"""Largest difference between a graph and PyTorch: a step of 8 bits."""
_TRACED, _TRIED = (2, 3, 40, 56), (1, 3, 37, 21)
"""Shapes of the images that a network is traced with, and that its graph is tried with."""


def network_of(restorer: Restorer) -> nn.Module:
    """Returns the network that a graph of a restorer contains, on the CPU.

    Raises:
        UsageError: The restorer is no single network, or is not in float32.
    """
    if not isinstance(restorer, Traceable):
        raise _refused(restorer, "it is more than one network, or none")
    with border(restorer):
        network = restorer.network().eval()
    halves = [each for each in network.parameters() if each.dtype != torch.float32]
    if halves:
        dtype = str(halves[0].dtype).removeprefix("torch.")
        raise _refused(restorer, f"its network is in {dtype}, and graphs are in float32")
    return network


def write_graph(restorer: Restorer, path: Path, properties: Mapping[str, str]) -> None:
    """Writes a graph from LR `[b, 3, h, w]` to SR, with free batch, height and width.

    The weights are in the same file; beyond 2 GB, which is ONNX's limit, in a second one beside it.

    Args:
        restorer: On the CPU, in float32.
        path: The file, `NAME.onnx`.
        properties: Further metadata of the file, beside the scale.

    Raises:
        UsageError: The extra `onnx` is not installed, the restorer cannot be a graph, or the graph
            differs from it.
    """
    check_installed()
    network = network_of(restorer)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # what PyTorch says of its own parts
            program = _traced(network)
    except Exception as error:  # PyTorch may raise anything for a network that it cannot trace
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise _refused(restorer, f"PyTorch cannot trace it: {reason}") from error
    _forget_source(program.model)
    program.model.metadata_props.update({SCALE: str(restorer.scale), **properties})
    program.save(path)
    _compare(restorer, path)


def _traced(network: nn.Module) -> Any:
    free = torch.export.Dim.DYNAMIC
    exported = torch.export.export(
        network, (_image(_TRACED),), dynamic_shapes=({0: free, 2: free, 3: free},), strict=False
    )
    return torch.onnx.export(
        exported, dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=[OUTPUT],
        verbose=False,
    )  # fmt: skip


def _image(shape: tuple[int, int, int, int]) -> Tensor:
    """A smooth image: in noise, some networks enlarge rounding errors to whole steps of 8 bits."""
    coarse = torch.rand(*shape[:2], 5, 5, generator=torch.Generator().manual_seed(0))
    return bicubic_resize(coarse, shape[2:]).clamp(0, 1)


def _forget_source(model: Any) -> None:
    """Removes the lines of source code beside each operation, with their paths on this machine."""
    graphs = [model.graph, *model.functions.values()]
    for node in (node for graph in graphs for node in graph.all_nodes()):
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
    for graph in graphs:
        graph.metadata_props.clear()


def _compare(restorer: Restorer, path: Path) -> None:
    """Restores an image of odd sides both ways.

    Raises:
        UsageError: The results differ by `TOLERANCE` or more.
    """
    lr = _image(_TRIED)
    expected = restored(restorer, lr)
    try:
        found = GraphRestorer(path)(lr)
    except Exception as error:  # ONNX Runtime has an exception of its own for each state
        reason = "ONNX Runtime cannot execute it at every size"
        raise _refused(restorer, reason) from error
    difference = (found - expected).abs().max().item()
    if not difference < TOLERANCE:  # nor is it NaN
        raise _refused(restorer, f"its graph differs from it by {255 * difference:.2g} of 255")


def _refused(restorer: Restorer, reason: str) -> UsageError:
    return UsageError(
        f"{restorer.name} cannot be written as an ONNX graph: {reason}.",
        "PyTorch can execute it: toolkit restore INPUT --engine torch",
    )
