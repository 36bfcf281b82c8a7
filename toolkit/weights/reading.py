"""Reads weight files; a file that would run something is refused."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

from toolkit.errors import WeightsError


def read_arrays(path: Path) -> Any:
    """Reads a pickle of dictionaries and NumPy arrays, and of nothing else.

    Raises:
        WeightsError: The pickle asks for anything but arrays.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise WeightsError(f"{path} is no plain file of arrays: {error}") from error


def read_tensors(path: Path) -> Any:
    """Reads tensors onto the CPU: `.safetensors`, `.npz`, else a file of `torch.save`.

    Returns:
        A dictionary of tensors; of `torch.save`, what was saved: plain containers of tensors.

    Raises:
        WeightsError: It cannot be read, or holds something that is not plain data.
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
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn file may raise anything
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(f"{path} is no plain file of tensors: {reason}") from error


class _ArrayUnpickler(pickle.Unpickler):
    _ADMITTED = {("numpy", "dtype"), ("numpy", "ndarray")} | {
        (f"numpy.{core}.multiarray", name)
        for core in ("core", "_core")
        for name in ("_reconstruct", "scalar")
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no array")
        return super().find_class(module, name)


def hollow() -> bool:
    """Whether tensors are made on the meta device, with shapes and no values.

    Then there is nothing to load: what a network would need is counted without it.

    Example:
        >>> import torch
        >>> with torch.device("meta"):
        ...     hollow()
        True
    """
    import torch

    return torch.empty(0).is_meta
