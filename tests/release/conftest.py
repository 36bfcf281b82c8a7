"""The scripts of `tools/release/`, which import each other by name."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def scripts(monkeypatch):
    """Makes `import version`, `import changelog` and `import distributions` possible."""
    monkeypatch.syspath_prepend(str(ROOT / "tools" / "release"))
    yield
    for name in ("version", "changelog", "distributions"):
        sys.modules.pop(name, None)
