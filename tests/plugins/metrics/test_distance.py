"""Metrics of losses: what they ask the registry for, and when."""

import dataclasses

import pytest
import torch

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.errors import DataError, UnknownComponentError, WeightsError
from toolkit.registry import Registry
from toolkit.specs import Selection
from toolkit_metrics import distance
from toolkit_metrics.plugin import toolkit_components

COMPONENTS = {component.name: component for component in toolkit_components()}


def pair(height=32, width=32, batch=1):
    rng = torch.Generator().manual_seed(5)
    hr = torch.rand(batch, 3, height, width, generator=rng)
    return (hr + 0.1 * torch.randn(hr.shape, generator=rng)).clamp(0, 1), hr


def make(name, **options):
    component = COMPONENTS[name]
    return component.build(component.options(**options), Context(installed()))


class OneSided:
    """A loss that was asked for by a metric; it minds who is whose target, and has a weight."""

    def __init__(self):
        self.devices, self.weight = [], torch.ones((), requires_grad=True)

    def __call__(self, prediction, target):
        return self.weight * (prediction - target).clamp(min=0).mean(dim=(1, 2, 3))

    def to(self, device):
        self.devices.append(device)


@pytest.mark.parametrize("name", ["dists", "lpips"])
def test_metrics_of_losses_load_at_the_first_call(name, monkeypatch):
    asked = []

    def made(_self, kind, selection, **_options):
        asked.append((kind, selection))
        return OneSided()

    monkeypatch.setattr(Context, "make", made)
    metric = make(name)
    assert not asked
    sr, hr = pair(32, 32, batch=2)
    assert torch.equal(metric(sr, hr), OneSided()(sr, hr))
    metric(sr, hr)
    assert asked == [("loss", {"dists": "dists", "lpips": "lpips:alex"}[name])]
    with pytest.raises(DataError):
        metric(sr, hr[..., 1:])
    with pytest.raises(DataError, match="2 values"):
        metric(torch.where(sr == sr[:, :1, :1, :1], torch.nan, sr), hr)


LEAST = pytest.mark.parametrize(("name", "side"), [("lpips", 31), ("lpips:vgg", 16), ("dists", 16)])


@LEAST
def test_too_small_for_the_network(name, side, monkeypatch):
    metric = toolkit.make("metric", name)
    monkeypatch.setattr(toolkit, "make", lambda kind, selection: OneSided())
    small = torch.rand(1, 3, side - 1, 40)
    with pytest.raises(
        DataError, match=f"sides of at least {side} pixels; the image has 40x{side - 1}"
    ):
        metric(small, small)


@pytest.mark.weights
@LEAST
def test_the_least_size_is_enough(name, side):
    sr, hr = pair(side, side)
    assert toolkit.make("metric", name)(sr, hr).isfinite().all()


def test_fingerprints_of_losses_name_their_weights_and_provider():
    found = make("dists").fingerprint
    component = installed().find("loss", "dists")
    for file in component.weights:
        assert found[f"sha256 of {file.name}"] == file.sha256
    assert "restoration-toolkit-losses" in found["loss"]
    assert "LPIPS v0.1 AlexNet" in make("lpips").fingerprint["protocol"]
    assert make("lpips").fingerprint != make("lpips", network="vgg").fingerprint


def registry_with(*losses):
    """The metrics that are installed, and no losses but these."""
    registry = Registry()
    registry.add("metrics", installed().components("metric"))
    registry.add("losses", losses)
    return registry


def test_a_missing_loss_is_said_when_the_metric_is_made():
    with pytest.raises(UnknownComponentError, match="dists"):
        registry_with().make("metric", Selection(use="dists"))


def test_missing_weights_are_said_at_the_first_call():
    def missing(_options, _context):
        raise WeightsError("not to be had")

    loss = dataclasses.replace(installed().find("loss", "dists"), build=missing)
    registry = registry_with()
    registry.add("restoration-toolkit-losses", [loss])
    metric = registry.make("metric", Selection(use="dists"))
    with pytest.raises(WeightsError, match="not to be had"):
        metric(*pair())


def test_distance_moves_its_loss_once_and_keeps_no_gradient():
    loss = OneSided()
    sr, hr = pair()
    metric = distance.Distance(loss, 1)
    for _ in range(2):
        assert not metric(sr.requires_grad_(), hr).requires_grad
    assert loss.devices == [sr.device]
