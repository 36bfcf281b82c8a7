"""Published networks: their weights are read to the last one, and they restore."""

from __future__ import annotations

import numpy as np
import pytest

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import WeightsError
from toolkit.images import bicubic_resize
from toolkit_restorers.esrgan import layers
from toolkit_restorers.ncnn import read_convolutions

SHAPES = [(3, 2, 1, 1), (1, 3, 3, 3)]


def written(shapes, half, seed=0):
    """Convolutions in ncnn's form, and what they are."""
    rng, data, kept = np.random.default_rng(seed), b"", []
    for shape in shapes:
        kernel, bias = rng.standard_normal(shape), rng.standard_normal(shape[0])
        stored = kernel.astype("<f2" if half else "<f4").tobytes()
        data += np.array([0x01306B47 if half else 0], "<u4").tobytes()
        data += stored + b"\0" * (-len(stored) % 4) + bias.astype("<f4").tobytes()
        kept.append((kernel, bias))
    return data, kept


@pytest.mark.parametrize("half", [True, False])
def test_weights_are_read_in_order(half):
    data, kept = written(SHAPES, half)
    for (weight, bias), (kernel, offset) in zip(read_convolutions(data, SHAPES), kept, strict=True):
        np.testing.assert_allclose(weight.numpy(), kernel, rtol=1e-3)
        np.testing.assert_allclose(bias.numpy(), offset, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: b"", "truncated"),
        (lambda data: data + b"\0", "1 bytes too many"),
        (lambda data: b"\1\2\3\4" + data[4:], "unknown tag"),
    ],
)
def test_other_weights_are_refused(change, told):
    data, _ = written(SHAPES, half=True)
    with pytest.raises(WeightsError, match=told):
        read_convolutions(change(data), SHAPES)


def test_the_network_has_its_published_size():
    assert sum(np.prod(shape) + shape[0] for _, shape in layers()) == 16_697_987
    assert len(list(layers())) == 351


def test_costs_are_counted_without_weights():
    restorer = Context(installed(), read_weights=False).make("restorer", "real-esrgan")
    [network] = restorer.networks.values()
    assert sum(parameter.numel() for parameter in network.parameters()) == 16_697_987


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.parametrize("name", ["real-esrgan", "realsr-jpeg", "span"])
def test_a_photograph_is_enlarged_and_stays_itself(name):
    photo = toolkit.make("dataset", "photos:heldout")[0].hr[:, 100:228, 100:228]
    lr = bicubic_resize(photo[None], 0.25).clamp(0, 1)
    sr = toolkit.make("restorer", name)(lr)
    assert sr.shape == (1, 3, 128, 128)
    psnr = toolkit.make("metric", "psnr-y")(sr, photo[None]).item()
    bicubic = toolkit.make("metric", "psnr-y")(
        bicubic_resize(lr, 4).clamp(0, 1), photo[None]
    ).item()
    assert psnr > bicubic - 5
    assert (sr.mean((2, 3)) - photo.mean((1, 2))).abs().max() < 0.05
