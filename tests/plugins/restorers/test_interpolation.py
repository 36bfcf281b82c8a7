"""The restorers without training, and the one bicubic they rest on."""

import doctest
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.images import bicubic_resize
from toolkit_restorers import interpolation
from toolkit_restorers.interpolation import Bicubic, Lanczos
from toolkit_restorers.plugin import InterpolationOptions, toolkit_components

COMPONENTS = {component.name: component for component in toolkit_components()}


def test_listing_loads_nothing_heavy():
    code = (
        "import sys, toolkit_restorers.plugin as p; list(p.toolkit_components());"
        "sys.exit(bool({'torch', 'cv2', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["bicubic", "lanczos"])
def test_components_build(name):
    component = COMPONENTS[name]
    restorer = component.build(component.options(scale=2), Context(installed()))
    assert (restorer.name, restorer.scale) == (name, 2)
    assert restorer(torch.rand(1, 3, 5, 7)).shape == (1, 3, 10, 14)
    assert restorer.to(torch.device("cpu")) is restorer
    with pytest.raises(ValidationError):
        component.options(scale=0)
    assert InterpolationOptions().scale == 4


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([Bicubic, Lanczos]), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5)
)
def test_any_size_stays_in_range(kind, height, width, scale):
    lr = torch.rand(2, 3, height, width).round()
    sr = kind(scale)(lr)
    assert sr.shape == (2, 3, scale * height, scale * width)
    assert 0 <= sr.min() <= sr.max() <= 1
    assert torch.allclose(kind(scale)(torch.full_like(lr, 0.3)), torch.tensor(0.3), atol=1e-5)


@pytest.mark.parametrize("kind", [Bicubic, Lanczos])
def test_smooth_images_are_recovered(kind):
    grid = torch.linspace(0, 1, 64)
    hr = (0.5 + 0.4 * torch.sin(6 * grid[:, None] + 3 * grid)).expand(1, 3, 64, 64)
    sr = kind(4)(bicubic_resize(hr, 0.25))
    assert (sr - hr)[..., 8:-8, 8:-8].abs().max() < 5e-3


def test_half_precision_and_mirroring():
    lr = torch.rand(1, 3, 9, 6)
    for kind in (Bicubic, Lanczos):
        assert kind(4)(lr.bfloat16()).dtype == torch.bfloat16
        assert torch.allclose(kind(4)(lr.flip(-1)), kind(4)(lr).flip(-1), atol=1e-5)


def keys(x):
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


@pytest.mark.parametrize(("sides", "new"), [(12, 48), (48, 12), (20, 7), (1, 4), (5, 5)])
def test_bicubic_by_its_definition(sides, new):
    signal = torch.rand(sides, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    step = sides / new
    wide = max(1.0, step)
    expected = []
    for place in range(new):
        centre = (place + 0.5) * step - 0.5
        weights = torch.tensor([keys((k - centre) / wide) for k in range(sides)])
        expected.append((weights.double() * signal).sum() / weights.sum())
    resized = bicubic_resize(signal.expand(1, 1, 3, sides), (3, new))[0, 0, 1]
    assert torch.allclose(resized, torch.stack(expected), atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([0.25, 0.5, 2, 4, 1 / 3]))
def test_bicubic_sizes_and_constants(height, width, scale):
    resized = bicubic_resize(torch.full((2, 3, height, width), 0.3), scale)
    assert resized.shape == (2, 3, -(-height * scale // 1), -(-width * scale // 1))
    assert torch.allclose(resized, torch.tensor(0.3), atol=1e-5)


def test_examples_run():
    assert doctest.testmod(interpolation).failed == 0
