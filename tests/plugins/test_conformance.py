"""Everything registered goes through the same checks, as a third party's does."""

import subprocess
import sys

import pytest

from toolkit.discovery import installed
from toolkit.errors import WeightsError
from toolkit.weights import Mirrors


def only_on_the_web(component):
    """Whether a file of it is in no registry package, and so not to be had everywhere."""
    return any(
        all(isinstance(source, Mirrors) for source in file.sources) for file in component.weights
    )


def test_conformance(toolkit_check, request):
    component, _ = request.node.callspec.params["toolkit_check"]
    try:
        toolkit_check()
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
