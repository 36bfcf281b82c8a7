"""A sandbox for pyiqa, without downloads and unsafe pickles.

pyiqa downloads missing files without checksums and with long retries, and loads them as pickles
that can execute code. In the sandbox, a download raises an error that tells name, URL and path of
the file, and `torch.load` only reads tensors.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import re
import socket
import sys
import urllib.request
import warnings
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NoReturn

import torch

from toolkit.plugin import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def sandbox() -> Iterator[None]:
    """Blocks downloads and silences pyiqa's output, in the whole process.

    Raises:
        WeightsError: A download is attempted, or a file contains more than tensors.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(_known_warnings())
        stack.enter_context(_pkg_resources())
        import huggingface_hub.constants as hub
        import pyiqa.utils.download_util as downloads  # type: ignore[import-untyped]
        from huggingface_hub.errors import LocalEntryNotFoundError

        for owner, name, replacement in (
            (torch, "load", _tensors_only(torch.load)),
            (torch.hub, "download_url_to_file", _no_download),
            (downloads, "download_url_to_file", _no_download),
            (urllib.request, "urlopen", _no_download),
            (socket, "getaddrinfo", _no_host),
            (hub, "HF_HUB_OFFLINE", True),
        ):
            stack.enter_context(replaced(owner, name, replacement))
        try:
            yield
        except LocalEntryNotFoundError as error:
            url = re.search(r"https://\S+[^\s:]", str(error.__cause__))
            raise WeightsError(
                "This metric of pyiqa needs a model that is not in the hub's cache: "
                f"{url[0] if url else error}",
                hint=f"Use the metric once in pyiqa to download it to {hub.HF_HUB_CACHE}",
            ) from error


@contextlib.contextmanager
def replaced(owner: object, name: str, value: object) -> Iterator[None]:
    """Replaces an attribute temporarily."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _no_download(url: Any, dst: Any = "", *_args: Any, **_options: Any) -> NoReturn:
    """Replaces functions that download a file."""
    address = str(getattr(url, "full_url", url))
    # Only CLIP's loader passes no path; it uses this one.
    path = Path(dst) if dst else Path(torch.hub.get_dir(), "clip", Path(address).name)
    raise WeightsError(
        f"This metric of pyiqa needs {path.name}, which is missing",
        hint=f"Download {address} and save it as {path}",
    )


def _no_host(host: Any, *_args: Any, **_options: Any) -> NoReturn:
    """Replaces host name resolution, to block all other downloads."""
    raise WeightsError(
        f"This metric of pyiqa needs a file from {host}, but downloads are disabled",
        hint="Use the metric once in pyiqa to download the file to its cache",
    )


def _tensors_only(load: Callable[..., Any]) -> Callable[..., Any]:
    def tensors(file: Any, *args: Any, **options: Any) -> Any:
        try:
            return load(file, *args, **{**options, "weights_only": True})
        except pickle.UnpicklingError as error:
            raise WeightsError(
                f"{getattr(file, 'name', file)} contains more than tensors, and could execute code",
                hint="Convert it to a state dict if you trust it, or omit this metric",
            ) from error

    return tensors


@contextlib.contextmanager
def _known_warnings() -> Iterator[None]:
    """Hides warnings of pyiqa's code that do not affect scores."""
    with warnings.catch_warnings():
        # Required to open CLIP's archive.
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is", FutureWarning)
        # Importing pyiqa leaves this file open.
        table = r"unclosed file .*default_dataset_configs\.yml"
        warnings.filterwarnings("ignore", table, ResourceWarning)
        yield


@contextlib.contextmanager
def _pkg_resources() -> Iterator[None]:
    """Substitutes pkg_resources, removed from setuptools, for OpenAI's clip."""
    if "pkg_resources" in sys.modules or find_spec("pkg_resources"):
        yield
        return
    import packaging.version

    stand_in = ModuleType("pkg_resources")
    stand_in.packaging = packaging  # type: ignore[attr-defined]
    sys.modules["pkg_resources"] = stand_in
    try:
        yield
    finally:
        del sys.modules["pkg_resources"]
