"""Every example in a docstring is run."""

import doctest
import importlib
import pkgutil

import pytest

PACKAGES = (
    "documentation",
    "toolkit",
    "toolkit_backbones",
    "toolkit_degradations",
    "toolkit_discriminators",
    "toolkit_generators",
    "toolkit_losses",
    "toolkit_metrics",
    "toolkit_peers",
    "toolkit_photos",
    "toolkit_pocket_wide",
    "toolkit_pyiqa",
    "toolkit_restorers",
    "toolkit_shards",
    "toolkit_trackers",
)
MODULES = [
    found.name
    for package in PACKAGES
    for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}.")
    if not found.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
