"""Connects to a Ray cluster, or starts one on this machine, quietly."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import Any

from toolkit.errors import ToolkitError, UsageError

_OBJECT_STORE = 80 * 2**20
"""Bytes of Ray's shared memory, about the least that it allows: images do not pass through it."""
_SOCKET = 40
"""Length of the temporary folder's path from which names of Ray's sockets would be too long."""
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Settings with which Ray sends nothing home, prints nothing, and copies no project."""


def cluster_named(on: str, workers: int | None, *, compare: bool) -> str | None:
    """Returns the address of the cluster, empty for the default; None to restore in this process.

    Raises:
        UsageError: There is no such place, Ray is missing, or an option does not suit it.
    """
    place, _, address = on.partition(":")
    if place == "ray":
        if compare:
            raise UsageError("--compare works in this process alone.", "Leave out --on ray.")
        check_ray()
        return address
    if on != "local":
        raise UsageError(f"--on {on}: there is no such place.", "Use local, ray, or ray:ADDRESS.")
    if workers:
        raise UsageError("--workers is for --on ray.", "Add --on ray, or leave it out.")
    return None


def check_ray() -> None:
    """Checks that Ray Data is installed.

    Raises:
        UsageError: It is not.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray.data  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"--on ray needs Ray Data: {error}.",
            "pip install 'restoration-toolkit[ray]'; without it: --on local",
        ) from error


@contextmanager
def connected(address: str, cores: int | None = None) -> Iterator[str]:
    """Connects to a cluster, or starts one; yields the folder for its temporary files.

    The folder is empty for a cluster that was there before, whose machines have their own. A
    connection that exists already is used, and kept.

    Args:
        address: Address of a cluster; by default that of `RAY_ADDRESS`, else one is started.
        cores: How many processor cores the latter has; None for those of this machine.

    Raises:
        ToolkitError: The cluster cannot be reached.
    """
    import ray

    if ray.is_initialized():
        yield ""
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    folder: Any = nullcontext("")
    if address == "local":
        short = len(tempfile.gettempdir()) < _SOCKET or os.name == "nt"
        place = None if short else "/tmp"  # noqa: S108
        folder = tempfile.TemporaryDirectory(prefix="ray-", dir=place, ignore_cleanup_errors=True)
        settings |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE}
        settings["num_cpus"] = cores
    # Ray prints what befalls its processes to stdout.
    with folder as scratch, open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # noqa: PTH123
        if scratch:
            settings["_temp_dir"] = scratch
        try:
            with _silent():
                ray.init(address=address, **settings)
        except (OSError, RuntimeError, ValueError) as error:
            raise ToolkitError(
                f"Cannot reach a Ray cluster at {address}: {reason_of(error)}",
                "Check the address, and that the cluster has the same version of Ray and Python",
            ) from error
        try:
            yield scratch
        finally:
            ray.shutdown()


@contextmanager
def _silent() -> Iterator[None]:
    """Hides what Ray's own libraries, which know nothing of Python's streams, print to stderr."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def shares(device: str, workers: int | None) -> tuple[int, float, float]:
    """Returns the number of workers, and the cores and GPUs of each.

    Raises:
        UsageError: The cluster has no GPU.
    """
    import ray

    resources = ray.cluster_resources()
    cpus, gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    if device.startswith("cuda") and not gpus:
        raise UsageError(f"--device {device}: the cluster has no GPU.", "Use cpu, or auto.")
    if device != "cpu" and gpus:
        size = workers or int(gpus)
        return size, min(1.0, cpus / size), min(1.0, gpus / size)
    size = workers or int(cpus)
    return size, min(1.0, cpus / size), 0.0


def reason_of(error: BaseException) -> str:
    """The last line of an error that may hold a worker's whole traceback."""
    cause = getattr(error, "cause", None) or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    return lines[-1] if lines else type(cause).__name__
