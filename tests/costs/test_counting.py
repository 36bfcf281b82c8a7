"""What operations come to: multiply-accumulates, and bytes that live."""

import contextlib

import pytest
import torch
from torch.nn import functional as F

from toolkit.costs.counting import Meter

FLOAT = 4
MODES = [contextlib.nullcontext, torch.no_grad, torch.inference_mode]

pytestmark = pytest.mark.parametrize("device", ["cpu", "meta"])


def zeros(device, *shape, **more):
    return torch.zeros(*shape, device=device, **more)


def macs(work, mode=contextlib.nullcontext):
    with Meter() as meter, mode():
        kept = work()
    del kept
    return meter.macs


@pytest.mark.parametrize("mode", MODES)
def test_a_linear_layer_takes_inputs_times_outputs(device, mode):
    layer = torch.nn.Linear(3, 5, device=device)
    assert macs(lambda: layer(zeros(device, 2, 3)), mode) == 2 * 3 * 5
    assert macs(lambda: layer(zeros(device, 2, 7, 3)), mode) == 2 * 7 * 3 * 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("groups", "stride"), [(1, 1), (2, 1), (1, 2)])
def test_a_convolution_takes_what_each_output_sees(device, mode, groups, stride):
    layer = torch.nn.Conv2d(4, 6, 3, padding=1, groups=groups, stride=stride, device=device)
    places = (8 // stride) ** 2
    assert macs(lambda: layer(zeros(device, 2, 4, 8, 8)), mode) == (
        2 * places * 6 * (4 // groups) * 9
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("trained", [True, False])
def test_attention_takes_two_products(device, mode, trained):
    query = zeros(device, 2, 3, 10, 8, requires_grad=trained)
    key, value = zeros(device, 2, 3, 12, 8), zeros(device, 2, 3, 12, 8)
    work = macs(lambda: F.scaled_dot_product_attention(query, key, value), mode)
    assert work == 2 * (2 * 3 * 10 * 12 * 8)


@pytest.mark.parametrize("mode", MODES)
def test_products_of_matrices_count_and_elementwise_work_does_not(device, mode):
    a, b = zeros(device, 7, 2, 3), zeros(device, 7, 3, 5)
    assert macs(lambda: a @ b, mode) == 7 * 2 * 3 * 5
    assert macs(lambda: torch.einsum("bij,bjk->bik", a, b), mode) == 7 * 2 * 3 * 5
    assert macs(lambda: (a + a).softmax(-1).sum(), mode) == 0


def test_the_backward_pass_counts(device):
    layer, x = torch.nn.Linear(3, 5, device=device), zeros(device, 2, 3, requires_grad=True)
    with Meter() as meter:
        out = layer(x).sum()
        forward = meter.macs
        out.backward()
    assert forward == 30
    assert meter.macs == 3 * 30  # one product for the input's gradient, one for the weight's


def test_several_blocks_count_apart(device):
    layer = torch.nn.Linear(3, 5, device=device)
    assert macs(lambda: layer(zeros(device, 2, 3))) == 30
    assert macs(lambda: layer(zeros(device, 1, 3))) == 15


@pytest.mark.parametrize("mode", MODES)
def test_new_tensors_live_until_they_are_freed(device, mode):
    with Meter() as meter, mode():
        first = zeros(device, 100)
        assert (meter.live, meter.peak) == (100 * FLOAT, 100 * FLOAT)
        second = first + 1
        assert (meter.live, meter.peak) == (200 * FLOAT, 200 * FLOAT)
        del first
        assert (meter.live, meter.peak) == (100 * FLOAT, 200 * FLOAT)
        third = second.half()
        assert (meter.live, meter.peak) == (100 * FLOAT + 200, 200 * FLOAT)
        del second, third
        assert (meter.live, meter.peak) == (0, 200 * FLOAT)


@pytest.mark.parametrize("mode", MODES)
def test_views_take_nothing_and_keep_what_they_see(device, mode):
    with Meter() as meter, mode():
        whole = zeros(device, 10, 10)
        views = [whole.view(100), whole[2:4], whole.t(), whole.expand(5, 10, 10), *whole.chunk(2)]
        assert meter.live == meter.peak == 100 * FLOAT
        del whole
        assert meter.live == 100 * FLOAT
        views.clear()
        assert meter.live == 0
        assert meter.peak == 100 * FLOAT


@pytest.mark.parametrize("mode", MODES)
def test_what_is_done_in_place_takes_nothing(device, mode):
    with Meter() as meter, mode():
        x = zeros(device, 100)
        x.add_(1).mul_(2)
        x[:10] = 3
        F.relu(x, inplace=True)
        x += 1
        assert meter.live == meter.peak == 100 * FLOAT


@pytest.mark.parametrize("mode", MODES)
def test_what_existed_before_is_not_counted(device, mode):
    before = zeros(device, 1000)
    with Meter() as meter, mode():
        view = before.view(10, 100)
        before.add_(1)
        view.mul_(2)
        part = view[3]
        assert meter.live == meter.peak == 0
        new = part + 1
        assert meter.live == meter.peak == 100 * FLOAT
        del before, view, part
        assert meter.live == 100 * FLOAT
    del new
    assert meter.live == 0


def test_memory_that_is_used_again_and_again_is_counted_once(device):
    with Meter() as meter:
        for _ in range(50):
            x = zeros(device, 100) + 1
            del x
        assert meter.live == 0
    assert meter.peak == 200 * FLOAT


def test_every_part_of_a_result_counts(device):
    x = zeros(device, 100)
    with Meter() as meter:
        kept = x.topk(10)
        assert meter.live >= 10 * FLOAT + 10 * 8  # values and places
        live = meter.live
        kept = kept.values
        assert meter.live == live - 10 * 8


def test_the_backward_pass_keeps_activations_until_it_is_done(device):
    weight = zeros(device, 100, requires_grad=True)
    with Meter() as meter:
        x = weight
        for _ in range(5):
            x = x.sigmoid()  # each keeps its output
        assert meter.live == 5 * 100 * FLOAT
        x.sum().backward()
        del x
        assert meter.live == weight.grad.nbytes == 100 * FLOAT
        assert 600 * FLOAT <= meter.peak <= 900 * FLOAT
