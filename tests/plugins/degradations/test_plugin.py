"""The plugin as the registry sees it: components, options and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

import toolkit_degradations
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit_degradations.options import RealESRGANOptions
from toolkit_degradations.plugin import toolkit_components

README = Path(toolkit_degradations.__file__).parents[1] / "README.md"


def test_listing_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from toolkit_degradations.plugin import toolkit_components\n"
        "list(toolkit_components())\n"
        "print([name for name in ('torch', 'cv2', 'scipy') if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_components_build_from_defaults_and_from_tiny_options():
    components = {component.name: component for component in toolkit_components()}
    assert sorted(components) == [
        "bicubic", "bicubic+noise", "bsrgan", "jpeg", "realesrgan", "recorded",
    ]  # fmt: skip
    context = Context(installed())
    for component in components.values():
        assert component.kind == "degradation"
        assert component.paper or component.name == "recorded"
        assert component.build(component.options(), context).scale == 4
        assert component.build(component.options(**component.tiny), context).scale == 4


def test_every_option_is_described_and_in_the_readme():
    text = README.read_text(encoding="utf-8")
    for component in toolkit_components():
        for name, field in component.options.model_fields.items():
            assert field.description, name
            assert f"`{name}`" in text or f"`{name.removesuffix('2')}`" in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"jpeg_range": [95, 30]},
        {"jpeg_range": [0, 50]},
        {"kernel_range": [7, 20]},
        {"resize_range": [0.2, 0.9]},
        {"betag_range": [1.5, 2]},
        {"sinc_prob": 1.2},
        {"kernel_list": ["iso"]},
        {"kernel_prob2": [1.0]},
        {"kernel_prob": [0] * 6},
        {"kernel_list": ["box"], "kernel_prob": [1]},
        {"resize_prob": [0.5, 0.5]},
        {"resize_modes": []},
        {"blur_sigma": [0, 1]},
        {"noise_range": [0, float("inf")]},
        {"scale": 0},
        {"jpeg": [30, 95]},
    ],
)
def test_options_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        RealESRGANOptions(**wrong)
