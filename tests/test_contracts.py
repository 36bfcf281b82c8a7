"""What comes back from plugins' objects: what fits passes untouched, what does not is named."""

import pytest
import torch

from toolkit import contracts, members
from toolkit.interfaces import Prediction
from toolkit.makers import maker_of

CPU = torch.device("cpu")
LR = torch.rand(2, 3, 4, 6)
SR = torch.rand(2, 3, 16, 24)
LATENT = torch.rand(2, 4, 8, 12)
WEIGHT = torch.nn.Parameter(torch.ones(1))


def graph(tensor):
    """The same tensor with a gradient to the weight."""
    return tensor * WEIGHT


GOOD = Prediction(graph(SR), graph(LATENT))


def test_a_prediction_that_fits_passes_untouched(part):
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
def test_a_prediction_that_does_not_fit_is_told(part, refused, value, told):
    with refused(told):
        contracts.predict(part(value, "generator"), LR)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (LATENT[..., :2], r"not a float tensor \[2, 4, 8, 12\]"),
        (graph(LATENT), "latents of real images with gradients"),
        (LATENT / 0, "not finite"),
    ],
)
def test_latents_of_real_images(part, refused, value, told):
    assert contracts.encode(part(LATENT), SR, LATENT.shape) is LATENT
    with refused(told):
        contracts.encode(part(value, "generator"), SR, LATENT.shape)


def test_a_restorer_has_the_maker_of_its_generator(part, refused):
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
def test_parameters_are_given_by_name(part, refused, parameters, told):
    with refused(told):
        members.trainable(part(None, trainable=lambda: parameters))
    assert members.trainable(part(None)) == {"weight": WEIGHT}


@pytest.mark.parametrize(
    ("held", "told"),
    [({}, "a state.. without its parameter weight"), ({"weight": 1.0}, "as state"), (None, "None")],
)
def test_a_state_holds_all_that_is_trained(part, refused, held, told):
    with refused(told):
        members.state(part(None, state=lambda: held))
    assert members.state(part(None)).keys() == {"weight"}


@pytest.mark.parametrize("shape", [(2, 1), (2, 1, 5), (2, 1, 3, 4)])
def test_logits_of_any_regions(part, shape):
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
def test_logits_that_do_not_fit_are_told(part, refused, value, told):
    with refused(told):
        contracts.logits(part(value, "discriminator"), LATENT, None)


def test_logits_reach_what_is_judged(part, refused):
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
def test_distances_that_do_not_fit_are_told(part, refused, value, told):
    good = graph(torch.rand(2))
    assert contracts.distances(part(good), graph(SR), SR) is good
    with refused(told):
        contracts.distances(part(value), graph(SR), SR)


def test_without_gradients_none_is_asked_for(part):
    detached = torch.rand(2)
    assert contracts.distances(part(detached), SR, SR) is detached
    with torch.no_grad():
        assert contracts.distances(part(detached), graph(SR), SR) is detached


def test_a_distance_that_is_not_finite_is_the_trainings_to_tell(part):
    lost = graph(torch.full((2,), torch.nan))
    assert contracts.distances(part(lost), graph(SR), SR) is lost


def test_a_part_has_moved_whatever_to_returns(part, refused):
    contracts.move(part(None), CPU)

    def stuck(_device):
        raise TypeError("no such device")

    with refused("failed with TypeError: no such device"):
        contracts.move(part(None, to=stuck), CPU)


def test_what_observing_raises_is_told(part, refused):
    def observe(_real, _fake):
        raise KeyError("ada")

    with refused("failed with KeyError: 'ada'"):
        contracts.observe(part(None, "discriminator", observe=observe), LR, LR)
