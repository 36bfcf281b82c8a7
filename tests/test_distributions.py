"""Installed distributions: source, health, and the requirement that installs them again."""

import json

import pytest

from toolkit.distributions import suppliers
from toolkit.registry import Notice, Registry


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs an empty plugin `toolkit-sharp`, recorded to come from `origin`."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(origin=None, name="toolkit-sharp", registry=None):
        info = tmp_path / f"{name.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2")
        (info / "entry_points.txt").write_text("[toolkit]\nsharp = no_such_module\n")
        if origin is not None:
            text = origin if isinstance(origin, str) else json.dumps(origin)
            (info / "direct_url.json").write_text(text)
        return next(s for s in suppliers(registry or Registry()) if s.name == name)

    return put


@pytest.mark.parametrize(
    ("origin", "source", "requirement"),
    [
        (None, "index", "toolkit-sharp==1.2"),
        ("{", "index", "toolkit-sharp==1.2"),
        ("[]", "index", "toolkit-sharp==1.2"),
        (
            {"url": "file:///my%20code/sharp", "dir_info": {"editable": True}},
            "editable, /my code/sharp",
            "-e file:///my%20code/sharp",
        ),
        (
            {"url": "file:///code/sharp", "dir_info": {}},
            "/code/sharp",
            "toolkit-sharp @ file:///code/sharp",
        ),
        (
            {
                "url": "https://example.org/sharp.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc123", "requested_revision": "main"},
                "subdirectory": "plugin",
            },
            "git+https://example.org/sharp.git@abc123#subdirectory=plugin",
            "toolkit-sharp @ git+https://example.org/sharp.git@abc123#subdirectory=plugin",
        ),
        (
            {
                "url": "https://example.org/sharp.whl",
                "archive_info": {"hashes": {"sha256": "ff"}},
            },
            "https://example.org/sharp.whl#sha256=ff",
            "toolkit-sharp @ https://example.org/sharp.whl#sha256=ff",
        ),
    ],
)
def test_source_and_requirement(installed, origin, source, requirement):
    supplier = installed(origin)
    assert (supplier.source, supplier.requirement) == (source, requirement)


def test_the_toolkits_own_have_no_version_of_their_own(installed):
    assert installed(name="restoration-toolkit-sharp").requirement == "restoration-toolkit-sharp"


def test_health(installed):
    registry = Registry(notices=[Notice("Toolkit_Sharp", "it failed to load")])
    supplier = installed(registry=registry)
    assert (supplier.components, supplier.fault) == (0, "it failed to load")
