"""Ancestral sampling."""

import doctest
import functools
import math

import pytest
import torch

from toolkit_peers import ancestral
from toolkit_peers.ancestral import (
    add_noise,
    alphas_cumprod,
    denoise,
    even,
    guided,
    leading,
    rescaled_guidance,
    x0,
)
from toolkit_peers.latent_tiles import blended, grid_by_stride, sliding


def formula(x, t):
    """The network of the goldens."""
    return 0.3 * x + 0.05 * math.sin(0.01 * t)


def guided_formula(x, t, scale):
    """The same with guidance."""
    return guided(formula(x, t) + 0.02, formula(x, t) - 0.02, scale)


def in_turn(noise):
    """Draws the rows of a golden tensor."""
    rows = iter(noise)

    def draw(shape):
        row = next(rows)[None]
        assert row.shape == shape
        return row

    return draw


def trajectory(sample, schedule, predict, noise):
    """The samples before each step, and the last."""
    seen = []

    def recorded(x, t):
        seen.append(x)
        return predict(x, t)

    final = denoise(sample, schedule, recorded, noise)
    return [*seen, final]


def test_the_examples_hold():
    assert doctest.testmod(ancestral).failed == 0


@pytest.mark.parametrize(
    ("system", "label", "tolerance"),
    [("osediff", "alphas_cumprod", 1e-5), ("seesr", "scheduler.alphas_cumprod", 1e-6)],
)
def test_alphas_are_the_published_ones(golden, close, system, label, tolerance):
    close(alphas_cumprod(), golden(system)[label], tolerance)
    close(alphas_cumprod()[999], torch.tensor(golden("osediff").config["alpha_cumprod_999"]), 1e-9)


def test_osediffs_step_gives_the_clean_latent(golden, close):
    known = golden("osediff")
    close(
        x0(known["step.sample"], known["step.eps"], alphas_cumprod()[999].item()),
        known["step.prev"],
        1e-5,
    )


def test_the_leading_timesteps_are_those_of_seesr(golden):
    schedule = leading(50)
    assert list(schedule.timesteps) == golden("seesr")["scheduler.timesteps50"].tolist()
    assert schedule.previous == (*schedule.alphas[1:], 1.0)


def test_strides_of_one_end_at_timestep_zero():
    schedule = leading(999)
    assert (schedule.timesteps[0], schedule.timesteps[-1]) == (999, 1)
    assert schedule.previous[-1] == alphas_cumprod()[0].item()


@pytest.mark.parametrize("t", [981, 501, 1])
def test_steps_like_seesr(golden, close, t):
    known, every = golden("seesr"), leading(50)
    index = every.timesteps.index(t)
    only = ancestral.Schedule(
        (t,), every.alphas[index : index + 1], every.previous[index : index + 1]
    )
    noise = known.noise(f"seesr.step.noise{t}")
    result = denoise(known["step.sample"], only, formula, noise)
    close(result, known[f"step.prev_{t}"], 1e-5)


@pytest.mark.parametrize("name", ["loop", "loop_noise_start"])
def test_samples_like_seesr(golden, close, name):
    known = golden("seesr")
    draw = in_turn(known[f"{name}.noise"])
    start = draw((1, 4, 8, 8))
    if name == "loop":
        start = add_noise(known["loop.lr_latent"], start, alphas_cumprod()[999].item())
        close(start, known["loop.start"], 1e-4)
    predict = functools.partial(guided_formula, scale=5.5)
    states = trajectory(start, leading(50), predict, draw)
    for index in (0, 1, 25):
        close(states[index + 1], known[f"{name}.after_step{index}"], 1e-4)
    close(states[-1], known[f"{name}.final"], 1e-4)


@pytest.mark.parametrize("case", ["tiles12x20_tile8_overlap2", "tiles20x6_tile8_overlap2"])
def test_samples_in_tiles_like_seesr(golden, close, case):
    known = golden("seesr")
    draw = in_turn(known[f"{case}.noise"])
    start = draw(known[f"{case}.final"].shape)
    boxes = grid_by_stride(*start.shape[2:], size=8, overlap=2)

    def predict(x, t):
        def both(box):
            tile = box.crop(x).repeat(2, 1, 1, 1)
            signs = torch.tensor([-0.02, 0.02]).view(2, 1, 1, 1)
            return formula(tile, t) + signs + 0.2 * tile.mean((2, 3), keepdim=True)

        negative, positive = blended(boxes, both).chunk(2)
        return guided(positive, negative, 5.5)

    schedule = leading(2)
    assert schedule.timesteps == (501, 1)
    _, first, final = trajectory(start, schedule, predict, draw)
    close(first, known[f"{case}.after_step0"], 1e-4)
    close(final, known[f"{case}.after_step1"], 1e-4)
    close(final, known[f"{case}.final"], 1e-4)


@pytest.mark.parametrize("steps", [50, 3, 7])
def test_even_timesteps_are_those_of_diffbir(golden, steps):
    wanted = golden("diffbir")[f"spaced.timesteps{steps}"].tolist()
    assert list(even(steps).timesteps[::-1]) == wanted


def test_even_timesteps_are_accumulated():
    """The product 10 * 999 / 20 would round to 500."""
    assert even(21).timesteps[10] == 499
    assert even(1).timesteps == (0,)
    assert even(1).previous == (1.0,)


def test_coefficients_are_those_of_diffbir(golden, close):
    known, schedule = golden("diffbir"), even(50)
    alphas, after = (
        torch.tensor(each[::-1], dtype=torch.float64)
        for each in (schedule.alphas, schedule.previous)
    )
    beta = 1 - alphas / after
    found = {
        "posterior_variance": beta * (1 - after) / (1 - alphas),
        "posterior_mean_coef1": beta * after.sqrt() / (1 - alphas),
        "posterior_mean_coef2": (1 - after) * (1 - beta).sqrt() / (1 - alphas),
        "sqrt_recip_alphas_cumprod": (1 / alphas).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / alphas - 1).sqrt(),
    }
    for name, values in found.items():
        wanted = known[f"spaced.{name}"].double()
        torch.testing.assert_close(values, wanted, rtol=1e-6, atol=0)


def test_samples_like_diffbir(golden, close):
    known = golden("diffbir")
    predict = functools.partial(guided_formula, scale=4)
    states = trajectory(known["loop.start"], even(50), predict, in_turn(known["loop.noise"]))
    for index in (0, 1, 25):
        close(states[index + 1], known[f"loop.after_step{index}"], 1e-5)
    close(states[-1], known["loop.final"], 1e-5)


def test_samples_with_rescaled_guidance_like_diffbir(golden, close):
    known = golden("diffbir")
    result = denoise(
        known["loop.start"],
        even(50),
        lambda x, t: guided_formula(x, t, rescaled_guidance(4, t)),
        in_turn(known["loop.noise"]),
    )
    close(result, known["loop.final_rescaled_cfg"], 1e-5)


def test_guidance_of_at_most_one_is_not_rescaled():
    assert rescaled_guidance(1, 500) == 1
    assert rescaled_guidance(0.5, 500) == 0.5
    assert rescaled_guidance(1.5, 500) != 1.5


def test_samples_in_tiles_like_diffbir(golden, close):
    known = golden("diffbir")
    condition, boxes = known["tiles.cond"], sliding(24, 20, size=8, stride=4)

    def one(x, t, sign):
        def predict(box):
            tile = box.crop(x)
            mean = 0.2 * tile.mean((2, 3), keepdim=True)
            return formula(tile, t) + 0.02 * sign + mean + 0.1 * box.crop(condition)

        return blended(boxes, predict)

    result = denoise(
        known["tiles.start"],
        even(2),
        lambda x, t: guided(one(x, t, 1), one(x, t, -1), 4),
        in_turn(known["tiles.noise"]),
    )
    close(result, known["tiles.final"], 1e-4)


def test_noises_like_diffbir(golden, close):
    known = golden("diffbir")
    alpha = alphas_cumprod(torch.float64)[999].item()
    close(add_noise(known["hint"][:1], known["x"][:1], alpha), known["q_sample.999"], 1e-6)


@pytest.mark.parametrize("schedule", [leading(5), even(5)])
def test_noise_is_drawn_at_every_step_but_has_no_effect_in_the_last(close, schedule):
    drawn = []

    def noise(shape):
        drawn.append(shape)
        return torch.ones(shape)

    seen = trajectory(torch.ones(1, 4, 2, 2), schedule, formula, noise)
    assert drawn == [(1, 4, 2, 2)] * 5
    close(
        seen[-1], x0(seen[-2], formula(seen[-2], schedule.timesteps[-1]), schedule.alphas[-1]), 1e-6
    )


def test_shapes_need_no_values():
    with torch.device("meta"):
        result = denoise(torch.empty(1, 4, 2, 2), even(3), formula, torch.empty)
    assert result.is_meta
    assert result.shape == (1, 4, 2, 2)
