"""Opens restorers by what a user calls them: a run, one of its checkpoints, or a name."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from toolkit.errors import UnknownComponentError, UsageError
from toolkit.hub import PREFIX, run_from_hub
from toolkit.images import Note
from toolkit.members import networks
from toolkit.paths import user_path
from toolkit.provenance import CORE
from toolkit.runs import Run, run_of
from toolkit.specs import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash as Hash

    from torch import nn

    from toolkit.interfaces import Restorer
    from toolkit.registry import Registry


def open_restorer(source: str, registry: Registry, options: Mapping[str, Any]) -> Restorer:
    """Opens a restorer, on the CPU.

    Args:
        source: A run's folder, one of its checkpoints, `hub:OWNER/NAME`, or the name of a restorer.
        registry: Has the restorers.
        options: Of the restorer; a run has `precision` alone.

    Raises:
        UnknownComponentError: There is no such folder and no such restorer.
        UsageError: It has not these options.
        ToolkitError: It cannot be opened.
    """
    path, names = user_path(source), {each.name for each in registry.components("restorer")}
    checkpoint = path if path.suffix == ".safetensors" and path.is_file() else None
    run = run_of(checkpoint) if checkpoint else Run(path)
    if source.startswith(PREFIX):
        run = run_from_hub(source)
    if run.exists or (run.folder.is_dir() and source not in names):
        further = [name for name in options if name != "precision"]
        if further:
            raise UsageError(
                f"--set {further[0]}: a run has no options; its recipe says how it works.",
                "Leave it out.",
            )
        return run.restorer(registry, options.get("precision", ""), checkpoint)
    return _named(source, registry, options)


def note_on(restorer: Restorer, name: str) -> Note:
    """Returns what results record of a restorer; without the time, so that they can be repeated.

    Args:
        restorer: The restorer.
        name: What the user calls it; of a path, the last part is recorded.
    """
    software = f"restoration-toolkit {version(CORE)}"
    return Note(software, Path(name).name or restorer.name, digest_of_weights(restorer))


def digest_of_weights(restorer: Restorer) -> str:
    """Returns a digest of all weights of a restorer; empty if it has none."""
    found = networks(restorer)
    if not found:
        return ""
    digest = hashlib.sha256()
    for network in found.values():
        add_weights(digest, network)
    return digest.hexdigest()[:16]


def add_weights(digest: Hash, network: nn.Module) -> None:
    """Adds names, types, shapes and values of a network's weights to a digest."""
    for name, tensor in network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        values = tensor.detach().cpu().contiguous().flatten()
        digest.update(values.view(torch.uint8).numpy().data)


def _named(source: str, registry: Registry, options: Mapping[str, Any]) -> Restorer:
    try:
        chosen = registry.expand("restorer", Selection(use=source))
        component = registry.find("restorer", chosen.name)
        if "precision" in options and "precision" not in component.options.model_fields:
            raise UsageError(
                f"--precision is for trained networks; {source} has none.", "Leave it out."
            )
        made: Restorer = registry.make("restorer", chosen.over(options))
    except UnknownComponentError as error:
        raise UnknownComponentError(
            f"--with {source}: there is no such folder, and no such restorer. {error}",
            f"Name a run's folder, such as runs/nad-ea-dists. {error.hint}",
        ) from None
    return made
