"""Losses whose gradient is computed at once."""

import weakref

import pytest
import torch

from toolkit.training.early import with_gradient


def image():
    rng = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 8, 8, generator=rng, dtype=torch.float64).requires_grad_()


def rough(x):
    return (x**3).mean() + x.amax((1, 2, 3)).sum()


def even(x):
    return x.diff(dim=-1).abs().mean()


def test_values_and_gradients_are_those_of_a_graph():
    x, y = image(), image()
    early = 0.3 * with_gradient(rough, 2 * x) + 0.7 * with_gradient(even, 2 * x)
    plain = 0.3 * rough(2 * y) + 0.7 * even(2 * y)
    assert early == plain
    for each in (early, plain):
        each.backward()
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-12, atol=0)


def test_a_graph_is_freed_before_the_next_begins():
    alive = []

    def loss(x):
        assert [each for each in alive if each() is not None] == []
        within = x.exp()  # which its gradient needs
        alive.append(weakref.ref(within))
        return within.sum()

    x = image()
    total = with_gradient(loss, x) + with_gradient(loss, x)
    assert len(alive) == 2
    total.backward()
    torch.testing.assert_close(x.grad, 2 * x.exp().detach())


@pytest.mark.parametrize("learns", [True, False])
def test_nothing_is_added_where_no_gradient_is_wanted(learns):
    x = image().detach()
    with torch.set_grad_enabled(not learns):
        value = with_gradient(rough, x.requires_grad_(learns))
    assert value == rough(x)
    assert not value.requires_grad


def test_parameters_of_a_loss_get_no_gradient():
    factor = torch.ones((), dtype=torch.float64, requires_grad=True)
    x = image()
    with_gradient(lambda x: factor * x.sum(), x).backward()
    assert factor.grad is None
    assert torch.equal(x.grad, torch.ones_like(x))


def test_values_that_are_not_finite_are_passed_on():
    x = image()
    value = with_gradient(lambda x: x.sum() * float("nan"), x)
    value.backward()
    assert value.isnan()
    assert x.grad.isnan().all()
