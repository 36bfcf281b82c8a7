"""Installs packages into the environment of the toolkit, with pip or uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from toolkit.errors import ToolkitError
from toolkit.weights.packages import has_pip

_KEPT = ("restoration-toolkit", "torch")
"""Distributions that installing a plugin may not replace."""


def install(arguments: Sequence[str]) -> None:
    """Installs packages; keeps the versions of the toolkit and of PyTorch.

    Output of the installer goes to stderr.

    Args:
        arguments: What `pip install` takes: requirements, and options such as `--upgrade`.

    Raises:
        ToolkitError: There is no installer, or it failed.
    """
    with _constraints() as file:
        command = [*installer(), "--constraint", str(file), *arguments]
        done = subprocess.run(command, check=False, stdout=sys.stderr)  # noqa: S603 - no shell
    if done.returncode:
        kept = ", ".join(_pins())
        raise ToolkitError(
            f"The installer failed with exit code {done.returncode}; its messages are above.",
            f"The versions of {kept} were to be kept. If a plugin needs others, upgrade the "
            "toolkit first.",
        )


def installer() -> list[str]:
    """Returns the command that installs into this environment: of pip, or else of uv.

    Raises:
        ToolkitError: Neither is at hand.
    """
    if has_pip():
        return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    if uv := os.environ.get("UV") or shutil.which("uv"):
        return [uv, "pip", "install", "--python", sys.executable]
    raise ToolkitError(
        f"Neither pip nor uv was found for {sys.executable}.",
        f"Try: {sys.executable} -m ensurepip",
    )


def _pins() -> list[str]:
    return [f"{name}=={version(name).partition('+')[0]}" for name in _KEPT]


@contextmanager
def _constraints() -> Iterator[Path]:
    """Yields a temporary file with the versions to keep."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "constraints.txt"
        file.write_text("\n".join(_pins()) + "\n", encoding="utf-8")
        yield file
