"""What executes a restorer's network: PyTorch, or ONNX Runtime, whose graphs are cached."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Literal

from toolkit import weights
from toolkit.abilities import avoids_tiles, fingerprint_of, matches_colours
from toolkit.errors import UsageError
from toolkit.files import appearing_folder, locked
from toolkit.graphs import GraphRestorer, check_installed, network_of, versions, write_graph
from toolkit.restoring.opening import add_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import torch

    from toolkit.interfaces import Restorer

Engine = Literal["auto", "torch", "onnx"]

_GRAPH = "model.onnx"


def with_engine(
    restorer: Restorer,
    engine: Engine,
    device: torch.device,
    tell: Callable[[str], object] = lambda _: None,
) -> Restorer:
    """Returns a restorer that is executed by an engine.

    Args:
        restorer: Is on `device`.
        engine: "torch"; "onnx", for ONNX Runtime on the processor; or "auto", for PyTorch, as
            ONNX Runtime is not faster by enough to repay the writing of a graph.
        device: Where images are restored.
        tell: Is called with a line for the user if a graph must be written first.

    Raises:
        UsageError: ONNX Runtime is not installed, `device` is not the processor, or the restorer
            cannot be a graph.
    """
    if engine != "onnx":
        return restorer
    check_installed()
    if device.type != "cpu":
        raise UsageError(
            f"--engine onnx restores on the processor, and the device is {device}.",
            "Add --device cpu, or leave --engine out.",
        )
    return GraphRestorer(
        cached_graph(restorer, tell),
        restorer.name,
        avoids_tiles=avoids_tiles(restorer),
        matches_colours=matches_colours(restorer),
    )


def cached_graph(restorer: Restorer, tell: Callable[[str], object]) -> Path:
    """Returns the file of a restorer's graph, which is written once.

    Raises:
        UsageError: The restorer cannot be a graph.
    """
    folder = weights.home() / "graphs" / f"{restorer.name}-{_key(restorer)}"
    with locked(folder.with_suffix(".lock")):
        if not (folder / _GRAPH).is_file():
            tell(f"Writing the graph of {restorer.name}, once")
            with appearing_folder(folder) as made:
                write_graph(restorer, made / _GRAPH, {})
    return folder / _GRAPH


def _key(restorer: Restorer) -> str:
    """A digest of all that decides a graph: layers, weights, settings, and versions."""
    network = network_of(restorer)
    about = [str(network), versions(), fingerprint_of(restorer), restorer.scale]
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    add_weights(digest, network)
    return digest.hexdigest()[:16]
