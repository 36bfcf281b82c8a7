"""Marks for the checks of the toolkit's own components."""

from importlib.util import find_spec

import pytest

from toolkit.discovery import installed


def pytest_itemcollected(item):
    given = getattr(item, "callspec", None)
    pair = given and given.params.get("toolkit_check")
    if pair:
        for mark in _marks(pair[0]):
            item.add_marker(mark)


def _marks(component):
    if component.weights or component.uses:
        yield pytest.mark.weights
    if installed().provider(component) == "restoration-toolkit-pyiqa":
        yield pytest.mark.slow  # its import alone takes ten seconds
    if component.name == "trackio" and find_spec("trackio"):
        # It writes into one folder, named when it is imported.
        yield pytest.mark.skip(reason="is checked in trackers/test_trackers.py")
