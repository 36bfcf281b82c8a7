"""Over many draws, ranges hold and probabilities come true."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import asdict

import pytest
from pydantic import TypeAdapter

from toolkit.streams import stream
from toolkit_degradations.history import Blur, History, Sinc
from toolkit_degradations.options import RealESRGANOptions
from toolkit_degradations.plugin import _build_realesrgan

COUNT = 4000


def draw_many(count=COUNT, **options):
    degradation = _build_realesrgan(RealESRGANOptions(**options))
    rng = stream(0, "test-draws")
    return [degradation.draw(rng) for _ in range(count)]


@pytest.fixture(scope="module")
def histories():
    return draw_many()


def share(of):
    of = list(of)
    return sum(of) / len(of)


def near(probability):
    """Four standard deviations of a share of COUNT draws."""
    return pytest.approx(probability, abs=4 * math.sqrt(probability * (1 - probability) / COUNT))


@pytest.mark.parametrize(
    ("stage", "sigma", "resize", "odds", "noise", "poisson", "blurred"),
    [
        ("first", (0.2, 3), (0.15, 1.5), (0.2, 0.7, 0.1), (1, 30), (0.05, 3), 1.0),
        ("second", (0.2, 1.5), (0.3, 1.2), (0.3, 0.4, 0.3), (1, 25), (0.05, 2.5), 0.8),
    ],
)
def test_published_ranges_and_odds_of_a_stage(
    histories, stage, sigma, resize, odds, noise, poisson, blurred
):
    stages = [getattr(history, stage) for history in histories]
    assert share(one.blur is not None for one in stages) == near(blurred)
    blurs = [one.blur for one in stages if isinstance(one.blur, Blur)]
    assert all(sigma[0] <= value <= sigma[1] for blur in blurs for value in blur.sigma)
    factors = [one.resize.factor for one in stages]
    assert all(resize[0] <= factor <= resize[1] for factor in factors)
    assert share(factor > 1 for factor in factors) == near(odds[0])
    assert share(factor < 1 for factor in factors) == near(odds[1])
    assert share(factor == 1 for factor in factors) == near(odds[2])
    assert share(one.noise.gray for one in stages) == near(0.4)
    assert share(one.noise.kind == "gaussian" for one in stages) == near(0.5)
    for kind, (low, high) in {"gaussian": noise, "poisson": poisson}.items():
        drawn = [one.noise.strength for one in stages if one.noise.kind == kind]
        assert low <= min(drawn) < low + 0.05 * (high - low)
        assert high >= max(drawn) > high - 0.05 * (high - low)
    qualities = [one.jpeg_quality for one in stages]
    assert (min(qualities), max(qualities)) == (30, 95)
    assert Counter(one.resize.mode for one in stages)["area"] / COUNT == near(1 / 3)


def test_blur_shapes_come_as_often_as_published(histories):
    filters = [history.first.blur for history in histories]
    assert share(isinstance(one, Sinc) for one in filters) == near(0.1)
    counts = Counter(one.shape for one in filters if isinstance(one, Blur))
    total = sum(counts.values())
    odds = RealESRGANOptions()
    for shape, probability in zip(odds.kernel_list, odds.kernel_prob, strict=True):
        assert counts[shape] / total == pytest.approx(probability, abs=0.035)
    assert {one.size for one in filters} == set(range(7, 22, 2))


def test_each_shape_has_the_parameters_it_uses(histories):
    for history in histories:
        blur = history.first.blur
        if not isinstance(blur, Blur):
            continue
        if blur.shape in {"iso", "generalized_iso", "plateau_iso"}:
            assert blur.sigma[0] == blur.sigma[1]
            assert blur.rotation == 0
        else:
            assert -math.pi <= blur.rotation <= math.pi
        lowest, highest = {"i": (1, 1), "a": (1, 1), "g": (0.5, 4), "p": (1, 2)}[blur.shape[0]]
        assert lowest <= blur.beta <= highest


def test_sinc_cutoffs_depend_on_the_kernels_size(histories):
    sincs = [history.first.blur for history in histories if isinstance(history.first.blur, Sinc)]
    small = [one.cutoff for one in sincs if one.size < 13]
    large = [one.cutoff for one in sincs if one.size >= 13]
    assert math.pi / 3 <= min(small)
    assert math.pi / 5 <= min(large) < math.pi / 3
    assert max(small + large) <= math.pi


def test_the_ending_has_the_published_odds(histories):
    endings = [history.ending for history in histories]
    assert share(one.sinc is not None for one in endings) == near(0.8)
    assert share(one.jpeg_last for one in endings) == near(0.5)
    assert {one.mode for one in endings} == {"area", "bilinear", "bicubic"}
    assert all(math.pi / 3 <= one.sinc.cutoff <= math.pi for one in endings if one.sinc)


def test_options_narrow_what_is_drawn():
    histories = draw_many(
        50,
        kernel_list=["plateau_aniso"],
        kernel_prob=[1],
        sinc_prob=0,
        kernel_range=[9, 9],
        second_blur_prob=0,
        jpeg_range=[50, 50],
        resize_modes=["area"],
        final_sinc_prob=0,
        final_jpeg_last_prob=1,
    )
    for history in histories:
        assert isinstance(history.first.blur, Blur)
        assert (history.first.blur.shape, history.first.blur.size) == ("plateau_aniso", 9)
        assert history.second.blur is None
        assert history.first.jpeg_quality == 50
        assert history.first.resize.mode == history.ending.mode == "area"
        assert history.ending.sinc is None
        assert history.ending.jpeg_last


def test_a_history_survives_json(histories):
    reader = TypeAdapter(History)
    for history in histories[:50]:
        assert reader.validate_json(json.dumps(asdict(history))) == history
