"""Wide convolutions as matrix products: the same outputs and gradients, where weights are many."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from toolkit_backbones import convolution
from toolkit_backbones.convolution import FrozenConvolution, use_products


@pytest.fixture
def taken(monkeypatch):
    """Makes narrow layers count as wide; tells which calls took a product."""
    monkeypatch.setattr(convolution, "_WEIGHTS", 100)
    calls, unfold = [], F.unfold
    monkeypatch.setattr(F, "unfold", lambda *a, **more: calls.append(1) or unfold(*a, **more))
    return calls


def frozen(*args, **options):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(*args, **options)).requires_grad_(False)


def with_gradient(network, x):
    x = x.clone().requires_grad_()
    out = network(x)
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad(out, x, upstream)
    return out.detach(), gradient


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("size", "options"),
    [
        (3, {"padding": 1}),
        (3, {"padding": 1, "stride": 2}),
        (1, {"bias": False}),
        (3, {"padding": (0, 2), "stride": (2, 1)}),
    ],
)
def test_a_product_is_the_convolution(taken, batch, size, options):
    network = frozen(12, 20, size, **options)
    x = torch.randn(batch, 12, 5, 6, generator=torch.Generator().manual_seed(2))
    expected = with_gradient(network, x)
    assert not taken
    use_products(network)
    assert type(network[0]) is FrozenConvolution
    assert network.state_dict().keys() == {"0.weight", "0.bias"} - (
        {"0.bias"} if options.get("bias") is False else set()
    )
    found = with_gradient(network, x)
    assert taken
    for one, other in zip(found, expected, strict=True):
        assert one.is_contiguous()
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_it_is_taken_only_where_it_pays(taken):
    network = frozen(12, 20, 3, padding=1)
    use_products(network)
    network(torch.randn(2, 12, 8, 8))
    assert len(taken) == 1  # 128 pixels
    network(torch.randn(2, 12, 8, 9))
    network.double()(torch.randn(1, 12, 8, 8).double())
    with torch.autocast("cpu", torch.bfloat16):
        network.float()(torch.randn(1, 12, 8, 8))
    network.requires_grad_(True)(torch.randn(1, 12, 8, 8)).sum().backward()
    assert network[0].weight.grad is not None
    assert len(taken) == 1
    others = [frozen(2, 2, 3), frozen(12, 24, 3, groups=12), frozen(12, 12, 3, dilation=2)]
    others += [
        frozen(12, 12, 3, padding_mode="reflect", padding=1),
        frozen(9, 9, 3, padding="same"),
    ]
    for other in others:
        use_products(other)
        assert type(other[0]) is nn.Conv2d
