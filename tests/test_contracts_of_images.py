"""What comes back from data, metrics and restorers: what fits passes, what does not is named."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from toolkit import contracts
from toolkit.degrading.samples import degrade
from toolkit.errors import ToolkitError
from toolkit.interfaces import Sample

LR = torch.rand(2, 3, 4, 6)
SR = torch.rand(2, 3, 16, 24)
HR = torch.rand(2, 3, 16, 24)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            LR[0, :, :3],
            r"a tensor \[2, 3, 3, 6\] of float32 as LR, not a float tensor \[2, 3, 4, 6\]",
        ),
        (LR[0] * 2 - 1, r"LR of -\S+ to \S+, not in \[0, 1\]"),
        (LR[0] * 255, r"LR of \S+ to \S+, not in \[0, 1\]"),
        ((LR[0] * 255).byte(), "of uint8 as LR"),
        (LR[0] / 0, "not finite"),
        (LR[0].numpy(), "failed with TypeError"),
    ],
)
def test_lr_that_does_not_fit_is_told(part, refused, value, told):
    with refused(told):
        degrade(part(value, "degradation"), HR, 0, [0, 1])


def test_lr_that_fits_passes(part):
    lr = LR[0].clone()
    lr[0, 0, 0], lr[0, 0, 1] = 1 + 1e-6, -1e-6  # rounding is no wrong range
    assert torch.equal(degrade(part(lr), HR, 0, [0, 1]), torch.stack([lr, lr]))


def test_a_target_has_the_size_of_hr(part, refused):
    assert contracts.target(part(HR[0]), HR[0]) is not None
    with refused(r"returned a tensor \[3, 4, 6\] of float32 as a target, not .* \[3, 16, 24\]"):
        contracts.target(part(LR[0]), HR[0])


@pytest.mark.parametrize(
    "sample",
    [
        Sample("a", HR[0]),
        Sample("a", torch.zeros(3, 0, 0), LR[0]),
        SimpleNamespace(name="a", hr=HR[0], lr=None),
    ],
)
def test_a_sample_that_fits_passes(part, sample):
    assert contracts.read(part(sample), 0) is sample


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (HR[0], r"returned a tensor \[3, 16, 24\] of float32, not a Sample of name, hr, lr"),
        (("a", HR[0]), "an object of type tuple, not a Sample"),
        (None, "returned None"),
        (Sample("", HR[0]), "a Sample whose name is ''"),
        (Sample(7, HR[0]), "a Sample whose name is 7"),
        (Sample("a", HR), r"as a Sample's hr, not a float tensor \[3, any, any\]"),
        (Sample("a", HR[0].permute(1, 2, 0)), r"\[16, 24, 3\]"),
        (Sample("a", (HR[0] * 255).byte()), "of uint8"),
        (Sample("a", HR[0] * 255), r"a Sample's hr of \S+ to \S+, not in"),
        (Sample("a", HR[0].numpy()), "a ndarray .* as a Sample's hr"),
        (Sample("a", HR[0], LR[0] * 255), "a Sample's lr of"),
        (Sample("a", None), "returned None as a Sample's hr"),
    ],
)
def test_a_sample_that_does_not_fit_is_told(part, refused, value, told):
    with refused(told):
        contracts.read(part(value, "dataset"), 0)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.5, "returned 0.5 as a figure of each image"),
        (
            torch.tensor(0.5),
            r"a tensor \[\] of float32 as a figure of each image, not a tensor \[2\]",
        ),
        (torch.rand(2, 1), r"\[2, 1\]"),
        (np.float64(0.5), "as a figure"),
    ],
)
def test_figures_that_do_not_fit_are_told(part, refused, value, told):
    good = torch.tensor([1, 2])
    assert contracts.figures(part(good), SR, None) is good
    with refused(told):
        contracts.figures(part(value, "metric"), SR, None)


@pytest.mark.parametrize("known", [None, "version 1", {"version": 1}, {1: "version"}])
def test_a_fingerprint_is_texts_by_name(part, refused, known):
    assert contracts.fingerprint(part(None)) == {"version": "1"}
    with refused("has .* as its fingerprint, not texts by name"):
        contracts.fingerprint(part(None, "metric", fingerprint=known))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (LR, r"a tensor \[2, 3, 4, 6\] of float32 as SR, not a float tensor \[2, 3, 16, 24\]"),
        (SR * 255, r"SR of \S+ to \S+, not in \[0, 1\]"),
        (SR * 4 - 2, r"SR of -\S+ to \S+, not in \[0, 1\]"),
        ((SR * 255).byte(), "of uint8 as SR"),
        (None, "returned None as SR"),
    ],
)
def test_sr_that_does_not_fit_is_told(part, refused, value, told):
    with refused(told):
        contracts.restored(part(value, "restorer"), LR)


def test_sr_may_overshoot_and_is_clamped_where_it_is_written(part):
    sr = SR * 1.4 - 0.2
    assert contracts.restored(part(sr), LR) is sr


def test_sr_of_every_call_is_looked_at(part, refused):
    """A network in half precision may overflow at one tile and not at another."""
    restorer = part(SR, "restorer")
    contracts.restored(restorer, LR)
    restorer.value = SR / 0
    with pytest.raises(ToolkitError, match="not finite"):
        contracts.restored(restorer, LR)
    restorer.value = SR[:1]
    with refused("returned a tensor"):
        contracts.restored(restorer, LR)


def test_values_are_looked_at_once_and_shapes_always(part, refused, monkeypatch):
    degradation = part(LR[0])
    looks = []
    real = torch.Tensor.isfinite
    monkeypatch.setattr(torch.Tensor, "isfinite", lambda self: looks.append(1) or real(self))
    for _ in range(3):
        degrade(degradation, HR, 0, [0, 1])
    assert looks == [1]
    degradation.value = LR[0, :, :1]
    with refused("returned"):
        degrade(degradation, HR, 0, [0, 1])


def test_what_no_registry_made_is_not_looked_at():
    assert contracts.distances(lambda *_: 0.5, SR, SR) == 0.5
    assert contracts.logits(SimpleNamespace(logits=lambda *_: None), SR, None) is None
    assert contracts.read(["x"], 0) == "x"


def test_on_the_meta_device_shapes_alone_count(part):
    distances = torch.empty(2, device="meta")
    assert contracts.distances(part(distances), SR.to("meta"), SR.to("meta")) is distances
    lr = torch.empty(3, 4, 6, device="meta")
    assert degrade(part(lr), HR.to("meta"), 0, [0, 1]).is_meta
