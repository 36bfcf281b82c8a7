"""Everything registered goes through the same tests."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

import toolkit
from toolkit.discovery import installed
from toolkit.errors import WeightsError
from toolkit.testing import check_component
from toolkit.weights import Mirrors

COMPONENTS = toolkit.components()


def marked(component):
    marks = [pytest.mark.weights] if component.weights or component.uses else []
    if installed().provider(component) == "restoration-toolkit-pyiqa":
        marks.append(pytest.mark.slow)  # its import alone takes ten seconds
    if component.kind == "tracker":
        marks.append(pytest.mark.skipif(
            find_spec(component.name) is None, reason=f"{component.name} is not installed"
        ))  # fmt: skip
        if component.name == "trackio":  # it writes into one folder, named when it is imported
            marks.append(pytest.mark.skip(reason="is checked in trackers/test_trackers.py"))
    return pytest.param(component, marks=marks, id=f"{component.kind}-{component.name}")


def only_on_the_web(component):
    """Whether a file of it is in no registry package, and so not to be had everywhere."""
    return any(
        all(isinstance(source, Mirrors) for source in file.sources) for file in component.weights
    )


@pytest.mark.parametrize("component", [marked(component) for component in COMPONENTS])
def test_component(component):
    try:
        check_component(component)
    except WeightsError as error:
        if not only_on_the_web(component):
            raise
        pytest.skip(str(error))


def test_no_plugin_is_set_aside():
    assert installed().notices == []


def test_listing_every_plugin_loads_nothing_heavy():
    code = (
        "import sys, toolkit; assert toolkit.components();"
        "heavy = {'torch', 'diffusers', 'peft', 'cv2', 'numpy', 'pyiqa'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
