"""Runs a module's own tests on each of its mutants, each in a process forked from a warm one."""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

SURVIVED, KILLED, TIMED_OUT, UNSEEN = "survived", "killed", "timed out", "no test runs it"
_WARM = (
    "torch", "torchvision", "peft", "scipy.stats", "cv2", "pydantic", "typer", "hypothesis",
    "diffusers.models.unets.unet_2d_condition", "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.schedulers", "lpips",
)  # fmt: skip


@dataclass
class Baseline:
    """What the tests do where nothing is changed.

    Attributes:
        failed: Tests that fail, or are skipped; they are left out.
        seconds: How long each test takes, by its node's name.
        lines: The module's lines that each test runs.
        imported: The lines that run when the module is imported.
    """

    failed: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    imported: list[int] = field(default_factory=list)

    def tests(self, lines: tuple[int, int]) -> list[str]:
        """The tests that run any of these lines, the quickest first, and then all others.

        The others, as what is cached in a process runs in the first test that asks for it alone.
        """
        wanted = set(range(lines[0], lines[1] + 1))
        found = {test for test, ran in self.lines.items() if wanted & set(ran)}
        if not found and not wanted & set(self.imported):
            return []
        usable = [test for test in self.lines if test not in self.failed]
        return sorted(usable, key=lambda test: (test not in found, self.seconds[test]))


def warm_up() -> None:
    """Imports what takes long and is never changed."""
    # Other distributions' pytest plugins may be imported by now, which pytest would warn of.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    for name in _WARM:
        importlib.import_module(name)


def baseline(path: Path, tests: Sequence[str]) -> Baseline:
    """Runs all tests once, and notes which lines of a module each of them runs."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"

        def run() -> int:
            watch = _Watch(path)
            code = int(pytest.main([*_QUIET, *tests], plugins=[watch]))
            report.write_text(json.dumps(watch.found()))
            return code

        code = _forked(run, limit=1800)
        if code not in {0, 1}:
            raise SystemExit(f"The tests of {path} do not run: {' '.join(tests)}")
        return Baseline(**json.loads(report.read_text()))


def verdict(name: str, path: Path, code: CodeType, tests: Sequence[str], limit: float) -> str:
    """What becomes of a mutant.

    Args:
        name: Of the module.
        path: Of its file.
        code: Compiled, with the change.
        tests: What to run, in this order.
        limit: Seconds after which a run has gone astray.
    """

    def run() -> int:
        sys.meta_path.insert(0, _Finder(name, path, code))
        return int(pytest.main([*_QUIET, "-x", *tests]))

    if not tests:
        return UNSEEN
    result = _forked(run, limit)
    return TIMED_OUT if result is None else SURVIVED if result == 0 else KILLED


_QUIET = ("-q", "-p", "no:cacheprovider", "--tb=no", "--show-capture=no")


def _forked(run: Callable[[], int], limit: float) -> int | None:
    """The exit code of a function run in a process of its own; None where it took too long."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            os.setpgid(0, 0)
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 1)
            os.dup2(nothing, 2)
            code = run()
        finally:
            os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the changed module in place of the one on disk."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        self._name, self._path, self._code = name, path, code

    def find_spec(self, name: str, *_: Any) -> importlib.machinery.ModuleSpec | None:
        if name != self._name:
            return None
        loader = _Loader(name, str(self._path), self._code)
        return importlib.util.spec_from_file_location(name, self._path, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._changed = code

    def get_code(self, _name: str) -> CodeType:
        return self._changed


class _Watch:
    """A pytest plugin that notes times and lines."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._lines: dict[str, set[int]] = {}
        self._imported: set[int] = set()
        self._seconds: dict[str, float] = {}
        self._failed: set[str] = set()
        self._now = self._imported  # until the first test begins
        sys.settrace(self._enter)

    def _enter(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename != self._path:
            return None
        is_function = frame.f_code.co_flags & inspect.CO_OPTIMIZED
        seen = self._now if is_function else self._imported

        def note(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                seen.add(frame.f_lineno)
            return note

        return note

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._now = self._lines.setdefault(item.nodeid, set())
        begin = time.monotonic()
        sys.settrace(self._enter)
        yield
        sys.settrace(None)
        self._seconds[item.nodeid] = time.monotonic() - begin

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed or report.skipped:
            self._failed.add(report.nodeid)

    def found(self) -> dict[str, Any]:
        """All that a `Baseline` has."""
        return {
            "failed": sorted(self._failed),
            "seconds": self._seconds,
            "lines": {name: sorted(lines) for name, lines in self._lines.items()},
            "imported": sorted(self._imported),
        }


def compiled(tree: ast.Module, path: Path) -> CodeType | None:
    """The tree's code; None where the change made nonsense of it."""
    try:
        return compile(ast.fix_missing_locations(tree), str(path), "exec")
    except (SyntaxError, ValueError, TypeError):
        return None


def module_name(path: Path, roots: Iterable[Path]) -> str:
    """The name by which a file is imported."""
    root = next(root for root in roots if path.is_relative_to(root))
    return ".".join(path.relative_to(root).with_suffix("").parts)
