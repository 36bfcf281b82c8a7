"""Which restorers the page offers."""

import pytest

from toolkit.component import Component, Options
from toolkit.registry import Registry
from toolkit.ui.offers import offers
from toolkit.weights import Mirrors, WeightFile, path_of


class NeedsFile(Options):
    file: str
    """A file."""


def weight(name, size=50_000_000, **more):
    return WeightFile(name=name, sha256="0" * 64, size=size, licence="MIT",
                      **{"sources": (Mirrors(urls=("https://example.org",)),), **more})  # fmt: skip


CACHED, MISSING = weight("cached.bin"), weight("missing.bin")


def restorer(name, **more):
    return Component(kind="restorer", name=name, summary=f"Is {name}", build=lambda *_: 0, **more)


@pytest.fixture
def registry(toolkit_home):
    path_of(CACHED).parent.mkdir(parents=True)
    path_of(CACHED).touch()
    registry = Registry()
    registry.add("ours", [
        restorer("a-download", weights=(MISSING, CACHED)),
        restorer("a-plain"),
        restorer("huge", weights=(weight("huge.bin", 5_000_000_000),)),
        restorer("licensed", weights=(weight("l.bin", restricted="commercial use"),)),
        restorer("needy", options=NeedsFile),
        restorer("nowhere", weights=(weight("n.bin", sources=()),)),
        restorer("pocket"),
        restorer("ready", weights=(CACHED,)),
    ])  # fmt: skip
    return registry


def test_the_default_comes_first_and_downloads_last(registry):
    found = offers(registry)
    assert [each.source for each in found] == ["pocket", "ready", "a-plain", "a-download"]
    assert [each.download for each in found] == [0, 0, 0, 50_000_000]
    assert found[1].summary == "Is ready"


def test_what_the_command_names_comes_before_all_others_once(registry):
    found = offers(registry, ["huge", "/home/me/runs/first", "a-plain"])
    assert [each.label for each in found] == [
        "huge", "first", "a-plain", "pocket", "ready", "a-download",
    ]  # fmt: skip
    assert found[1].source == "/home/me/runs/first"


def test_runs_of_the_same_name_are_told_apart(registry):
    found = offers(registry, ["a/run", "b/run", "c/best.safetensors"])
    assert [each.label for each in found[:3]] == ["a/run", "b/run", "best"]
