"""The frozen networks: one of each, fast where no gradient is wanted, exact where one is."""

import gc

import pytest
import torch
from torch.nn import functional as F

import toolkit
from toolkit import winograd
from toolkit_losses import networks
from toolkit_losses.convolution import Convolution
from toolkit_losses.networks import alexnet, vgg16

RNG = torch.Generator().manual_seed(3)


def layer(inputs=128, outputs=256, size=3, stride=1, padding=1):
    weight = torch.randn(outputs, inputs, size, size, generator=RNG) / (3 * inputs**0.5)
    return Convolution(weight, torch.randn(outputs, generator=RNG), stride, padding)


@pytest.mark.weights
def test_all_losses_share_one_network_a_process():
    x = torch.rand(1, 3, 32, 32)
    for name in ("dists", "ea-dists", "lpips:vgg", "ea-lpips:vgg", "dists"):
        toolkit.make("loss", name)(x, x)
    kernels = [
        each for each in gc.get_objects()
        if type(each) is Convolution and each.weight.dtype == torch.float32
        and each.weight.shape == (512, 512, 3, 3) and hasattr(each, "_channels_last")
        and not each.weight.is_meta
    ]  # fmt: skip
    assert len(kernels) == 5  # VGG16 has five of this shape
    assert vgg16(x) is vgg16(torch.rand(2, 3, 64, 64))
    assert alexnet(x) is alexnet(x)
    assert not any(convolution.weight.requires_grad for convolution in kernels)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["dists", "lpips:alex"])
def test_a_network_made_for_scoring_serves_a_training_too(name):
    networks._vgg16.cache_clear()
    networks._alexnet.cache_clear()
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    with torch.inference_mode():
        toolkit.make("loss", name)(x, x.flip(3))
    prediction = x.clone().requires_grad_()
    toolkit.make("loss", name)(prediction, x.flip(3)).sum().backward()
    assert prediction.grad.abs().sum() > 0


@pytest.mark.weights
def test_autocast_takes_a_network_of_its_precision():
    x = torch.rand(1, 3, 32, 32)
    with torch.autocast("cpu", torch.bfloat16):
        stages, convolutions = vgg16(x)(x, pool="l2"), alexnet(x)(x)
    first, later = torch.float32, torch.bfloat16  # details of flat parts need more than 8 bits
    assert [each.dtype for each in stages] == [first, first, later, later, later]
    assert [each.dtype for each in convolutions] == [first, first, later, later, later]
    assert {each.dtype for each in vgg16(x)(x, pool="l2")} == {torch.float32}
    assert {each.dtype for each in vgg16(x.double())(x.double(), pool="l2")} == {torch.float64}


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (36, 30), (40, 41)])
def test_winograd_is_a_convolution(size):
    convolution = layer()
    x = torch.randn(2, 128, *size, generator=RNG)
    exact = F.conv2d(x.double(), convolution.weight.double(), padding=1)
    found = winograd.convolve(x, winograd.transform(convolution.weight))
    assert found.shape == exact.shape
    # About 3e-6, by seed; the usual points 0, ±1, ±2 give up to 1.5e-5.
    assert (found - exact).abs().max() < 8e-6 * exact.abs().max()


@pytest.mark.parametrize("inputs", [3, 64, 128])
def test_with_a_gradient_it_rounds_as_pytorch_does(inputs):
    convolution = layer(inputs)
    x = torch.randn(2, inputs, 32, 40, generator=RNG, requires_grad=True)
    expected = F.conv2d(x, convolution.weight, convolution.bias, padding=1)
    found = convolution(x)
    assert torch.equal(found, expected)
    upstream = torch.randn(expected.shape, generator=RNG)
    (gradient,) = torch.autograd.grad(found, x, upstream)
    (true_gradient,) = torch.autograd.grad(expected, x, upstream)
    assert gradient.is_contiguous()
    assert (gradient - true_gradient).abs().max() < 1e-5 * true_gradient.abs().max()
    with torch.no_grad():
        assert (convolution(x) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_a_stride_is_kept():
    convolution = layer(3, 8, size=11, stride=4, padding=2)
    x = torch.randn(1, 3, 40, 40, generator=RNG)
    expected = F.conv2d(x, convolution.weight, convolution.bias, 4, 2)
    torch.testing.assert_close(convolution(x), expected, atol=1e-5, rtol=1e-5)


def test_the_fast_way_is_taken_where_it_pays_and_no_gradient_is_amplified(monkeypatch):
    taken, convolve = [], winograd.convolve
    monkeypatch.setattr(
        winograd, "convolve", lambda *told, **more: taken.append(1) or convolve(*told, **more)
    )
    convolution = layer()
    x = torch.randn(1, 128, 40, 48, generator=RNG, requires_grad=True)
    found = convolution(x)
    assert len(taken) == 0
    torch.autograd.grad(found.sum(), x)
    assert len(taken) == 1
    convolution(x.detach())
    assert len(taken) == 2
    with torch.no_grad():
        convolution(x)
    assert len(taken) == 3
    convolution(x[..., :4, :4].detach())
    layer(stride=2)(x.detach())
    layer(padding=0)(x.detach())
    assert len(taken) == 3


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (5, 6)])
def test_winograd_gives_the_gradient_of_an_input_from_the_same_matrices(size):
    convolution = layer()
    gradient = torch.randn(2, 256, *size, generator=RNG)
    exact = F.conv_transpose2d(gradient.double(), convolution.weight.double(), padding=1)
    matrices = winograd.transform(convolution.weight)
    found = winograd.convolve(gradient, matrices, transposed=True)
    assert found.shape == exact.shape
    assert (found - exact).abs().max() < 8e-6 * exact.abs().max()
