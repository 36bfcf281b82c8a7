"""What tests of whole trainings share."""

import importlib.util
import sys
import time
from functools import partial
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def forking():
    """The module that runs commands in forked processes."""
    spec = importlib.util.spec_from_file_location("forking", Path(__file__).with_name("forking.py"))
    module = importlib.util.module_from_spec(spec)
    sys.modules["forking"] = module  # where its dataclass looks for it
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def server(forking, tmp_path_factory):
    """Starts commands quickly."""
    if not hasattr(forking.os, "fork"):
        pytest.skip("processes cannot be forked here")
    with forking.Server(tmp_path_factory.mktemp("printed")) as started:
        yield started


@pytest.fixture(scope="session")
def begun():
    """Waits until a run has done some steps."""

    def wait(run, steps=1):
        deadline = time.monotonic() + 120
        while not (run.log.exists() and len(run.log.read_text().splitlines()) >= steps):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    return wait


@pytest.fixture
def diverged(tmp_path):
    """Trains a run that must diverge; returns it and the error."""
    from faulty_training import diverge

    return partial(diverge, tmp_path / "run")
