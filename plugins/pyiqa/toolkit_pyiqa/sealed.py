"""A room for pyiqa without a network, where files give tensors only.

pyiqa fetches what it lacks wherever it is, without a checksum and with long retries, and loads
files as pickles that may run anything. In here, a download is an error that names the file, its
address and its place, and `torch.load` reads tensors only.
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

from toolkit.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def sealed() -> Iterator[None]:
    """While it is open, nothing in this process downloads, and pyiqa prints nothing.

    Raises:
        WeightsError: Something was to be downloaded, or a file holds more than tensors.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(_known_warnings())
        stack.enter_context(_pkg_resources())
        import huggingface_hub.constants as hub
        import pyiqa.utils.download_util as downloads  # type: ignore[import-untyped]
        from huggingface_hub.errors import LocalEntryNotFoundError

        for owner, name, other in (
            (torch, "load", _tensors_only(torch.load)),
            (torch.hub, "download_url_to_file", _no_download),
            (downloads, "download_url_to_file", _no_download),
            (urllib.request, "urlopen", _no_download),
            (socket, "getaddrinfo", _no_host),
            (hub, "HF_HUB_OFFLINE", True),
        ):
            stack.enter_context(replaced(owner, name, other))
        try:
            yield
        except LocalEntryNotFoundError as error:
            address = re.search(r"https://\S+[^\s:]", str(error.__cause__))
            raise WeightsError(
                "This metric of pyiqa needs a model of the hub, which is not there: "
                f"{address[0] if address else error}",
                hint=f"Use it once in pyiqa itself, so that {hub.HF_HUB_CACHE} holds the model",
            ) from error


@contextlib.contextmanager
def replaced(owner: object, name: str, other: object) -> Iterator[None]:
    """With another value for an attribute of a module."""
    own = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, own)


def _no_download(url: Any, dst: Any = "", *_args: Any, **_options: Any) -> NoReturn:
    """Stands for the functions that download a file."""
    address = str(getattr(url, "full_url", url))
    # Only CLIP's loader names no place; it has this one.
    path = Path(dst) if dst else Path(torch.hub.get_dir(), "clip", Path(address).name)
    raise WeightsError(
        f"This metric of pyiqa needs {path.name}, which is not there",
        hint=f"Fetch {address} and save it as {path}",
    )


def _no_host(host: Any, *_args: Any, **_options: Any) -> NoReturn:
    """Stands for the resolver: the last hold for what downloads in any other way."""
    raise WeightsError(
        f"This metric of pyiqa wants to fetch a file from {host}, which it may not do here",
        hint="Use it once in pyiqa itself, so that its cache holds the file",
    )


def _tensors_only(load: Callable[..., Any]) -> Callable[..., Any]:
    def tensors(file: Any, *args: Any, **options: Any) -> Any:
        try:
            return load(file, *args, **{**options, "weights_only": True})
        except pickle.UnpicklingError as error:
            raise WeightsError(
                f"{getattr(file, 'name', file)} holds more than tensors, and could run anything",
                hint="Make a state dict of it where you trust it, or leave this metric out",
            ) from error

    return tensors


@contextlib.contextmanager
def _known_warnings() -> Iterator[None]:
    """Without the warnings of pyiqa's own code that say nothing of its figures."""
    with warnings.catch_warnings():
        # How CLIP's archive has to be opened; it runs no Python.
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is", FutureWarning)
        # Its import leaves a table of data sets open.
        table = r"unclosed file .*default_dataset_configs\.yml"
        warnings.filterwarnings("ignore", table, ResourceWarning)
        yield


@contextlib.contextmanager
def _pkg_resources() -> Iterator[None]:
    """OpenAI's clip takes `packaging` out of pkg_resources, which setuptools no longer has."""
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
