"""The libraries of the extra `onnx`."""

from __future__ import annotations

from importlib.metadata import version

from toolkit.errors import UsageError
from toolkit.suppliers import is_installed

_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")


def check_installed() -> None:
    """Checks that graphs can be written and executed.

    Raises:
        UsageError: The extra `onnx` is not installed.
    """
    if lacking := [name for name in _LIBRARIES if not is_installed(name)]:
        raise UsageError(
            f"ONNX graphs need {', '.join(lacking)}, which is not installed.",
            "pip install 'restoration-toolkit[onnx]'",
        )


def versions() -> dict[str, str]:
    """The versions on which a graph depends, by name of the library."""
    return {name: version(name) for name in ("torch", *_LIBRARIES)}
