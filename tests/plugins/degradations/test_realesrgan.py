"""Over many draws, ranges hold and probabilities come true."""

from __future__ import annotations

import math
from collections import Counter

import pytest

import toolkit
from toolkit.streams import stream
from toolkit_degradations.history import Blur, Sinc
from toolkit_degradations.options import RealESRGANOptions

COUNT = 4000


def draw_many(count=COUNT, **options):
    degradation = toolkit.make("degradation", "realesrgan", **options)
    return [degradation.draw(stream(0, "test-draws", number)) for number in range(count)]


@pytest.fixture(scope="module")
def histories():
    return draw_many()


def stage_of(history, which):
    """The steps of a stage, by kind; a blur or sinc filter is its "filter"."""
    kinds = [step.step for step in history]
    first_jpeg = kinds.index("jpeg")
    if which == "first":
        steps = history[1:first_jpeg]
    else:
        steps = history[first_jpeg + 1 :]
        second_noise = next(i for i, s in enumerate(steps) if s.step in {"gaussian", "poisson"})
        steps = steps[: second_noise + 1]
    names = {"blur": "filter", "sinc": "filter", "gaussian": "noise", "poisson": "noise"}
    return {names.get(step.step, step.step): step for step in steps}


def qualities(histories):
    return [step.quality for history in histories for step in history if step.step == "jpeg"]


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
    stages = [stage_of(history, stage) for history in histories]
    assert share("filter" in one for one in stages) == near(blurred)
    blurs = [one["filter"] for one in stages if isinstance(one.get("filter"), Blur)]
    assert all(sigma[0] <= value <= sigma[1] for blur in blurs for value in blur.sigma)
    resizes = [one["resize"] for one in stages]
    factors = [one.factor for one in resizes]
    assert {one.of for one in resizes} == {"image" if stage == "first" else "lr"}
    assert all(resize[0] <= factor <= resize[1] for factor in factors)
    assert share(factor > 1 for factor in factors) == near(odds[0])
    assert share(factor < 1 for factor in factors) == near(odds[1])
    assert share(factor == 1 for factor in factors) == near(odds[2])
    assert share(one.mode == "area" for one in resizes) == near(1 / 3)
    noises = [one["noise"] for one in stages]
    assert share(one.gray for one in noises) == near(0.4)
    assert share(one.step == "gaussian" for one in noises) == near(0.5)
    for kind, field, (low, high) in (("gaussian", "sigma", noise), ("poisson", "scale", poisson)):
        drawn = [getattr(one, field) for one in noises if one.step == kind]
        assert low <= min(drawn) < low + 0.05 * (high - low)
        assert high >= max(drawn) > high - 0.05 * (high - low)


def test_there_are_two_jpegs_of_published_quality(histories):
    drawn = qualities(histories)
    assert len(drawn) == 2 * COUNT
    assert 30 <= min(drawn) < 30.1
    assert 94.9 < max(drawn) <= 95


def test_blur_shapes_come_as_often_as_published(histories):
    filters = [stage_of(history, "first")["filter"] for history in histories]
    assert share(isinstance(one, Sinc) for one in filters) == near(0.1)
    counts = Counter(one.shape for one in filters if isinstance(one, Blur))
    total = sum(counts.values())
    odds = RealESRGANOptions()
    for shape, probability in zip(odds.kernel_list, odds.kernel_prob, strict=True):
        assert counts[shape] / total == pytest.approx(probability, abs=0.035)
    assert {one.size for one in filters} == set(range(7, 22, 2))


def test_each_shape_has_the_parameters_it_uses(histories):
    for history in histories:
        blur = stage_of(history, "first")["filter"]
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
    filters = [stage_of(history, "first")["filter"] for history in histories]
    sincs = [one for one in filters if isinstance(one, Sinc)]
    small = [one.cutoff for one in sincs if one.size < 13]
    large = [one.cutoff for one in sincs if one.size >= 13]
    assert math.pi / 3 <= min(small)
    assert math.pi / 5 <= min(large) < math.pi / 3
    assert max(small + large) <= math.pi


def test_the_ending_has_the_published_odds(histories):
    jpeg_last = [history[-1].step == "jpeg" for history in histories]
    endings = [
        history[-3:-1] if last and history[-2].step == "sinc" else history[-2:]
        for history, last in zip(histories, jpeg_last, strict=True)
    ]
    sincs = [step for ending in endings for step in ending if step.step == "sinc"]
    assert len(sincs) / COUNT == near(0.8)
    assert share(jpeg_last) == near(0.5)
    assert all(math.pi / 3 <= one.cutoff <= math.pi for one in sincs)
    final = [[step for step in history if step.step == "resize"][-1] for history in histories]
    assert {one.mode for one in final} == {"area", "bilinear", "bicubic"}
    assert {(one.factor, one.of) for one in final} == {(1.0, "lr")}


def test_options_narrow_what_is_drawn():
    histories = draw_many(
        50,
        sharpen=False,
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
        blur, resize, _noise, jpeg, *_rest = history
        assert (blur.shape, blur.size) == ("plateau_aniso", 9)
        assert jpeg.quality == 50
        kinds = [step.step for step in history]
        assert "sinc" not in kinds
        assert kinds.count("blur") == 1
        assert kinds[-1] == "jpeg"
        assert resize.mode == history[-2].mode == "area"


def test_without_a_second_order_one_stage_and_the_last_jpeg_remain():
    for history in draw_many(50, second_order_prob=0, final_sinc_prob=0):
        kinds = [step.step for step in history]
        assert kinds[:2] + kinds[-2:] in (
            ["sharpen", kinds[1], "resize", "jpeg"],
            ["sharpen", kinds[1], "jpeg", "resize"],
        )
        assert kinds.count("jpeg") == 2
        assert kinds.count("resize") == 2


def test_clean_images_are_resized_and_nothing_else():
    histories = draw_many(2000, clean_prob=0.25)
    clean = [history for history in histories if len(history) == 2]
    assert len(clean) / 2000 == pytest.approx(0.25, abs=0.04)
    assert {tuple(step.step for step in history) for history in clean} == {("sharpen", "resize")}


def test_each_sample_has_a_noise_of_its_own(histories):
    seeds = [step.seed for history in histories for step in history if hasattr(step, "seed")]
    assert len(set(seeds)) == len(seeds)
