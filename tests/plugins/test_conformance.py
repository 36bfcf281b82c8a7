"""Everything registered goes through the same tests."""

import subprocess
import sys

import pytest

import toolkit
from toolkit.registry import installed
from toolkit.testing import check_component

COMPONENTS = toolkit.components()


@pytest.mark.parametrize(
    "component",
    [
        pytest.param(c, marks=[pytest.mark.weights] if c.weights or c.name == "dists" else [])
        for c in COMPONENTS
    ],
    ids=lambda c: f"{c.kind}-{c.name}",
)
def test_component(component):
    check_component(component)


def test_no_plugin_is_set_aside():
    assert installed().notices == []


def test_listing_every_plugin_loads_nothing_heavy():
    code = (
        "import sys, toolkit; assert toolkit.components();"
        "heavy = {'torch', 'diffusers', 'peft', 'cv2', 'numpy'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
