"""Weight files of the model hub, in the cache of its library, which other programs share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import WeightsError
from toolkit.files import CHECK_SPACE, try_writing
from toolkit.weights import cache
from toolkit.weights.files import Mirrors
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import WeightFile

_URL = re.compile(
    r"https://huggingface\.co/(?:(space|dataset)s/)?"
    r"(?P<repository>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class HubFile:
    """A file of a repository on the model hub.

    Attributes:
        repository: `OWNER/NAME`.
        path: Path in the repository.
        revision: Branch, tag or commit.
        kind: `model`, `space` or `dataset`.
    """

    repository: str
    path: str
    revision: str = "main"
    kind: str = "model"

    @property
    def address(self) -> str:
        """The address at the endpoint that is set."""
        from huggingface_hub import hf_hub_url

        return hf_hub_url(self.repository, self.path, repo_type=self.kind, revision=self.revision)


def on_hub(url: str) -> HubFile | None:
    """Returns the hub's file of an address; None for other addresses."""
    if not (found := _URL.fullmatch(url)):
        return None
    return HubFile(found["repository"], found["path"], found["revision"], found[1] or "model")


def folder() -> Path:
    """Returns the folder of the hub's cache; `HF_HOME` and `HF_HUB_CACHE` move it."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def is_offline() -> bool:
    """Whether `HF_HUB_OFFLINE` is set, so that the hub must not be asked."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def find(file: WeightFile) -> Path | None:
    """Returns a file's path in the hub's cache, of whichever repository; None if it is not there.

    The content is not read. The cache names large files by their SHA-256.
    """
    for path in dict.fromkeys(each.path for each in _sources(file)):
        for snapshot in sorted(folder().glob("*/snapshots/*")):
            if _is_named(pointer := snapshot / path, file):
                return pointer
    return None


def _sources(file: WeightFile) -> Iterator[HubFile]:
    for source in file.sources:
        if isinstance(source, Mirrors):
            yield from filter(None, map(on_hub, source.urls))


def _is_named(pointer: Path, file: WeightFile) -> bool:
    if not (file.sha256 and pointer.is_file()):
        return False
    if pointer.is_symlink():
        # Follow one link only: a further one may lead to a store with other hashes as names.
        return cache.matches(pointer.readlink().name, file.sha256)
    return pointer.stat().st_size == file.size  # a cache without links, as on Windows


def blob(pointer: Path) -> Path:
    """Returns the file to which a name in a snapshot leads; itself in a cache without links."""
    if not pointer.is_symlink():
        return pointer
    return Path(os.path.normpath(pointer.parent / pointer.readlink()))


def differs(pointer: Path) -> list[str]:
    """Returns what to say of a file in the hub's cache whose content is not what it should be."""
    return [
        f"{pointer}, in the hub's cache, does not have its SHA-256",
        f"to have it fetched again, delete {blob(pointer)}",
    ]


def download(file: WeightFile, source: HubFile, arrived: Callable[[int], None]) -> Path:
    """Fetches a file into the hub's cache.

    Args:
        file: The expected file.
        source: Its place on the hub.
        arrived: Called with the total number of bytes received.

    Raises:
        Unavailable: It cannot be fetched, or its content differs.
        WeightsError: The cache cannot be written.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download

    with _translating(source):
        stated = get_hf_file_metadata(source.address)
    if stated.size is not None and stated.size != file.size:
        raise Unavailable(f"{source.address} has {stated.size} bytes, not {file.size}")
    etag = stated.etag or ""
    if _SHA256.fullmatch(etag) and not cache.matches(etag, file.sha256):
        raise Unavailable(f"{source.address} has other content: SHA-256 {etag}, not {file.sha256}")
    try:
        try_writing(folder(), file.size)
    except OSError as error:
        raise unusable(error) from error
    with _translating(source):
        path = Path(
            hf_hub_download(
                source.repository, source.path, repo_type=source.kind, revision=source.revision,
                tqdm_class=_telling(arrived),
            )
        )  # fmt: skip
    if not cache.matches(sha256 := cache.digest(path), file.sha256):
        blob(path).unlink(missing_ok=True)  # or other programs would use it
        path.unlink(missing_ok=True)
        raise Unavailable(
            f"{source.address} has other content: SHA-256 {sha256}, not {file.sha256}"
        )
    return path


@contextmanager
def _translating(source: HubFile) -> Iterator[None]:
    """Translates errors of the hub's library, which may raise any of its HTTP library."""
    try:
        yield
    except Exception as error:
        raise _translated(error, source) from error


def _translated(error: Exception, source: HubFile) -> Exception:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    if isinstance(error, GatedRepoError):
        return Unavailable(
            f"{source.repository} on the hub asks you to accept its terms: accept them on its "
            "page, then: hf auth login"
        )
    if isinstance(error, HfHubHTTPError):
        answer = error.response
        return Unavailable(f"{source.address} answers {answer.status_code} {answer.reason_phrase}")
    if isinstance(error, OSError) and error.errno:
        return unusable(error)
    return Unavailable(f"{source.address} cannot be fetched: {error}", network=True)


def unusable(error: OSError) -> WeightsError:
    """Returns the error to raise if the hub's cache cannot be written."""
    return WeightsError(
        f"The hub's cache, {folder()}, cannot be used: {error.strerror or error}.",
        f"{CHECK_SPACE} HF_HOME=/another/folder moves it.",
    )


def _telling(arrived: Callable[[int], None]) -> Any:
    """Returns a class of progress bars that shows nothing, and tells the bytes received."""
    from huggingface_hub.utils.tqdm import tqdm

    class Bar(tqdm):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **{**options, "disable": True})  # type: ignore[no-untyped-call]
            self._received = int(options.get("initial") or 0)

        def update(self, count: float | None = 1) -> None:
            self._received += int(count or 0)
            arrived(self._received)

    return Bar
