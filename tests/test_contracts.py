"""What comes back from plugins' objects: what fits passes untouched, what does not is named."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from toolkit import contracts, makers
from toolkit.degrading.samples import degrade
from toolkit.errors import ComponentError, ToolkitError
from toolkit.interfaces import Prediction, Sample
from toolkit.makers import Maker, maker_of

CPU = torch.device("cpu")
LR = torch.rand(2, 3, 4, 6)
SR = torch.rand(2, 3, 16, 24)
LATENT = torch.rand(2, 4, 8, 12)
WEIGHT = torch.nn.Parameter(torch.ones(1))


class Part:
    """An object of any kind that returns what it is given."""

    scale, name, fingerprint = 4, "part", {"version": "1"}

    def __init__(self, value=None, **more):
        self.value = value
        self.calls = 0
        self.__dict__.update(more)

    def __call__(self, *_):
        self.calls += 1
        return self.value

    predict = encode = logits = as_restorer = __getitem__ = __call__

    def target(self, _hr):
        return self.value

    def trainable(self):
        return {"weight": WEIGHT}

    def state(self):
        return {"weight": WEIGHT.detach()}

    def to(self, _device):
        return None


def part(value, kind="loss", **more):
    """The same, as if a plugin had made it."""
    made = Part(value, **more)
    makers._MAKERS[id(made)] = Maker(kind, "rough", "my-plugin", held=made)
    return made


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    monkeypatch.setattr(makers, "_MAKERS", {})


def refused(message):
    return pytest.raises(ComponentError, match=rf"^The \w+ 'rough' of my-plugin {message}")


def graph(tensor):
    """The same tensor with a gradient to the weight."""
    return tensor * WEIGHT


GOOD = Prediction(graph(SR), graph(LATENT))


def test_a_prediction_that_fits_passes_untouched():
    assert contracts.predict(part(GOOD), LR) is GOOD
    plain = Prediction(SR, LATENT)
    with torch.no_grad():
        assert contracts.predict(part(plain), LR) is plain


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "returned None, not a Prediction of image, latent"),
        (graph(SR), r"returned a tensor \[2, 3, 16, 24\] of float32, not a Prediction"),
        ((SR, LATENT), "returned an object of type tuple, not a Prediction"),
        (
            Prediction(graph(SR[..., :12]), graph(LATENT)),
            r"\[2, 3, 16, 12\].* as an image, not a float",
        ),
        (Prediction(graph(SR)[:1], graph(LATENT)), r"not a float tensor \[2, 3, 16, 24\]"),
        (Prediction(graph(SR), graph(LATENT)[0]), r"as a latent, not a float tensor \[2, any, any"),
        (Prediction((SR * 255).byte(), graph(LATENT)), "of uint8 as an image"),
        (Prediction(graph(SR) * torch.nan, graph(LATENT)), "an image with values that are not fin"),
        (Prediction(SR, LATENT), "an image without a gradient to its trainable parameters"),
        (Prediction(SR.to("meta"), LATENT), "an image on meta, not on cpu"),
    ],
)
def test_a_prediction_that_does_not_fit_is_told(value, told):
    with refused(f".*{told}"):
        contracts.predict(part(value, "generator"), LR)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (LATENT[..., :2], r"not a float tensor \[2, 4, 8, 12\]"),
        (graph(LATENT), "latents of real images with gradients"),
        (LATENT / 0, "not finite"),
    ],
)
def test_latents_of_real_images(value, told):
    assert contracts.encode(part(LATENT), SR, LATENT.shape) is LATENT
    with refused(f".*{told}"):
        contracts.encode(part(value, "generator"), SR, LATENT.shape)


def test_a_restorer_has_the_maker_of_its_generator():
    restorer = part(SR)
    assert contracts.as_restorer(part(restorer, "generator")) is restorer
    assert str(maker_of(restorer)) == "The restorer 'rough' of my-plugin"
    with refused("cannot be used: its `as_restorer` returned None"):
        contracts.as_restorer(part(None, "generator"))


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ([WEIGHT], "an object of type list as trainable"),
        ({"weight": torch.ones(1)}, "as trainable"),
        (None, "returned None as trainable"),
    ],
)
def test_parameters_are_given_by_name(parameters, told):
    with refused(f".*{told}"):
        contracts.trainable(part(None, trainable=lambda: parameters))
    assert contracts.trainable(part(None)) == {"weight": WEIGHT}


@pytest.mark.parametrize(
    ("held", "told"),
    [({}, "a state.. without its parameter weight"), ({"weight": 1.0}, "as state"), (None, "None")],
)
def test_a_state_holds_all_that_is_trained(held, told):
    with refused(f".*{told}"):
        contracts.state(part(None, state=lambda: held))
    assert contracts.state(part(None)).keys() == {"weight"}


@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 5), (2, 1, 3, 4)])
def test_logits_of_any_regions(shape):
    verdict = graph(torch.rand(shape))
    assert contracts.logits(part(verdict), LATENT, None) is verdict


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            graph(torch.rand(2)),
            r"a tensor \[2\] of float32 as logits, not a float tensor \[2, 1, …\]",
        ),
        (graph(torch.rand(2, 3, 4, 4)), r"\[2, 1, …\]"),
        (graph(torch.rand(1)), r"\[2, 1, …\]"),
        (torch.rand(2, 1), "logits without a gradient to its trainable parameters"),
        (graph(torch.rand(2, 1)) * torch.inf, "not finite"),
        (0.5, "returned 0.5 as logits"),
    ],
)
def test_logits_that_do_not_fit_are_told(value, told):
    with refused(f".*{told}"):
        contracts.logits(part(value, "discriminator"), LATENT, None)


def test_logits_reach_what_is_judged():
    with refused("returned logits without a gradient to what is judged; is it detached?"):
        contracts.logits(part(torch.rand(2, 1)), graph(LATENT), None)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            graph(torch.rand(2)).sum(),
            r"a tensor \[\] of float32 as a distance of each image, .*\[2\]",
        ),
        (graph(SR), r"\[2, 3, 16, 24\]"),
        (0.5, "returned 0.5"),
        (torch.rand(2), "distances without a gradient to the prediction; is it detached?"),
        (torch.ones(2, dtype=torch.long), "of int64"),
        (None, "returned None"),
    ],
)
def test_distances_that_do_not_fit_are_told(value, told):
    good = graph(torch.rand(2))
    assert contracts.distances(part(good), graph(SR), SR) is good
    with refused(f".*{told}"):
        contracts.distances(part(value), graph(SR), SR)


def test_without_gradients_none_is_asked_for():
    detached = torch.rand(2)
    assert contracts.distances(part(detached), SR, SR) is detached
    with torch.no_grad():
        assert contracts.distances(part(detached), graph(SR), SR) is detached


def test_a_distance_that_is_not_finite_is_the_trainings_to_tell():
    lost = graph(torch.full((2,), torch.nan))
    assert contracts.distances(part(lost), graph(SR), SR) is lost


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
def test_lr_that_does_not_fit_is_told(value, told):
    with refused(f".*{told}"):
        degrade(part(value, "degradation"), HR, 0, [0, 1])


def test_lr_that_fits_passes():
    lr = LR[0].clone()
    lr[0, 0, 0], lr[0, 0, 1] = 1 + 1e-6, -1e-6  # rounding is no wrong range
    assert torch.equal(degrade(part(lr), HR, 0, [0, 1]), torch.stack([lr, lr]))


def test_a_target_has_the_size_of_hr():
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
def test_a_sample_that_fits_passes(sample):
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
def test_a_sample_that_does_not_fit_is_told(value, told):
    with refused(f".*{told}"):
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
def test_figures_that_do_not_fit_are_told(value, told):
    good = torch.tensor([1, 2])
    assert contracts.figures(part(good), SR, None) is good
    with refused(f".*{told}"):
        contracts.figures(part(value, "metric"), SR, None)


@pytest.mark.parametrize("known", [None, "version 1", {"version": 1}, {1: "version"}])
def test_a_fingerprint_is_texts_by_name(known):
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
def test_sr_that_does_not_fit_is_told(value, told):
    with refused(f".*{told}"):
        contracts.restored(part(value, "restorer"), LR)


def test_sr_may_overshoot_and_is_clamped_where_it_is_written():
    sr = SR * 1.4 - 0.2
    assert contracts.restored(part(sr), LR) is sr


def test_sr_of_every_call_is_looked_at():
    """A network in half precision may overflow at one tile and not at another."""
    restorer = part(SR, "restorer")
    contracts.restored(restorer, LR)
    restorer.value = SR / 0
    with pytest.raises(ToolkitError, match="not finite"):
        contracts.restored(restorer, LR)
    restorer.value = SR[:1]
    with refused("returned a tensor"):
        contracts.restored(restorer, LR)


def test_values_are_looked_at_once_and_shapes_always(monkeypatch):
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
    assert contracts.distances(Part(0.5), SR, SR) == 0.5
    assert contracts.logits(Part(None), SR, None) is None
    assert contracts.read(Part("x"), 0) == "x"


def test_on_the_meta_device_shapes_alone_count():
    distances = torch.empty(2, device="meta")
    assert contracts.distances(part(distances), SR.to("meta"), SR.to("meta")) is distances
    lr = torch.empty(3, 4, 6, device="meta")
    assert degrade(part(lr), HR.to("meta"), 0, [0, 1]).is_meta


def test_a_part_has_moved_whatever_to_returns():
    contracts.move(part(None), CPU)

    def stuck(_device):
        raise TypeError("no such device")

    with refused("failed with TypeError: no such device"):
        contracts.move(part(None, to=stuck), CPU)


def test_what_observing_raises_is_told():
    def observe(_real, _fake):
        raise KeyError("ada")

    with refused("failed with KeyError: 'ada'"):
        contracts.observe(part(None, "discriminator", observe=observe), LR, LR)
