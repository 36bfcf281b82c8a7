"""Reads weight files; files that would execute code are refused."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from toolkit.errors import WeightsError


def read_arrays(path: Path) -> Any:
    """Reads a pickle of plain containers and NumPy arrays.

    Raises:
        WeightsError: It cannot be read, or contains other objects.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise WeightsError(f"{path} is not a plain file of arrays: {error}") from error


def read_tensors(path: Path) -> Any:
    """Reads tensors onto the CPU from `.safetensors`, `.npz`, or else a file of `torch.save`.

    Returns:
        A dictionary of tensors; for `torch.save`, any plain containers of tensors.

    Raises:
        WeightsError: It cannot be read, or contains anything but plain data.
    """
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if path.suffix == ".npz":
            import numpy as np

            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(array) for name, array in arrays.items()}
        # Mapped into memory where possible, so that unused tensors are never read.
        mapped = zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(_INERT):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # a damaged file may raise anything
        said = next(iter(str(error).splitlines()), type(error).__name__)
        reason = "it ends too early" if isinstance(error, EOFError) else said.partition(". ")[0]
        raise WeightsError(
            f"{path} is not a plain file of tensors: {reason}",
            "Obtain it again; if it contains other objects, save its tensors alone.",
        ) from error


_INERT: list[Any] = [
    type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
]
"""Empty classes in place of those by which a trainer names its own entries in a checkpoint."""


class _ArrayUnpickler(pickle.Unpickler):
    _ADMITTED = {("numpy", "dtype"), ("numpy", "ndarray")} | {
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"it contains {module}.{name}, which is not an array")
        return super().find_class(module, name)
