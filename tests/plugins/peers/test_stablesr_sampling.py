"""StableSR's steps, tiles, sizes and colours."""

import math

import pytest
import torch

from toolkit.restoring.colour import low_frequencies, match_colour
from toolkit_peers import ancestral
from toolkit_peers.ancestral import add_noise, alphas_cumprod, denoise, x0
from toolkit_peers.latent_tiles import blended, gaussian
from toolkit_peers.stablesr import sizes


def even(steps):
    return ancestral.even(steps, torch.float32)


@pytest.fixture(scope="module")
def known(golden):
    return golden("stablesr")


@pytest.fixture(scope="module", name="agrees")
def _agrees(agrees):
    return agrees("stablesr")


def test_the_schedule_agrees_with_the_authors(agrees):
    alphas = alphas_cumprod(torch.float64)
    agrees("schedule/1000/sqrt_alphas_cumprod", alphas.sqrt())
    agrees("schedule/1000/sqrt_one_minus_alphas_cumprod", (1 - alphas).sqrt())


@pytest.mark.parametrize("steps", [4, 50, 200])
def test_tables_agree_with_the_authors(agrees, steps):
    schedule = even(steps)
    agrees(f"schedule/{steps}/timesteps", torch.tensor(schedule.timesteps[::-1]).int())
    alpha, previous = (torch.tensor(each) for each in (schedule.alphas, schedule.previous))
    clean, sample, noise = torch.tensor(schedule.coefficients).T
    for name, found in {
        "alphas_cumprod": alpha,
        "betas": 1 - alpha / previous,
        "posterior_mean_coef1": clean,
        "posterior_mean_coef2": sample,
        "posterior_variance": noise.square(),
        "posterior_log_variance_clipped": noise.square().clamp(min=1e-20).log(),
        "sqrt_recip_alphas_cumprod": (1 / alpha).sqrt(),
        "sqrt_recipm1_alphas_cumprod": (1 / alpha - 1).sqrt(),
    }.items():
        agrees(f"schedule/{steps}/{name}", found.flip(0))


def stand_in(x, t, z):
    """What takes the UNet's place in the goldens."""
    return 0.3 * x + 0.1 * z + 0.05 * math.sin(0.01 * t)


def drawn(known, prefix, steps):
    """The goldens' noise of each step."""
    timesteps = iter(even(steps).timesteps)
    return lambda shape: known.normal(f"{prefix}/in.noise_t{next(timesteps)}", *shape)


def test_steps_agree_with_the_authors(known, agrees, monkeypatch):
    z, seen = known["sampler/in.z"], {}
    start = add_noise(z, known["sampler/in.noise_start"], alphas_cumprod(torch.float64)[999].item())
    agrees("sampler/out.x_start", start)
    cleaned = []

    def kept(*inputs):
        cleaned.append(x0(*inputs))
        return cleaned[-1]

    monkeypatch.setattr(ancestral, "x0", kept)

    def predict(x, t):
        seen[t] = x
        return stand_in(x, t, z)

    end = denoise(start, even(4), predict, drawn(known, "sampler", 4))
    after = dict(zip(seen, [*list(seen.values())[1:], end], strict=True))
    for (timestep, found), clean in zip(after.items(), cleaned, strict=True):
        agrees(f"sampler/out.step_t{timestep}", found)
        agrees(f"sampler/out.x0_t{timestep}", clean)


@pytest.mark.parametrize("steps", [50, 200])
def test_whole_loops_agree_with_the_authors(known, agrees, steps):
    prefix = f"sampler{steps}"
    z, start = known[f"{prefix}/in.z"], known[f"{prefix}/in.x_start"]
    noise = drawn(known, prefix, steps)
    agrees(f"{prefix}/out", denoise(start, even(steps), lambda x, t: stand_in(x, t, z), noise))


def test_tiles_agree_with_the_authors(known, agrees):
    for side in (8, 9, 64):
        agrees(f"tiles/out.gaussian_weights_{side}", gaussian(side, side))
    for length, tile, overlap, *offsets in known["tiles/out.offsets"].tolist():
        boxes = sizes.latent_boxes(length, length, tile, overlap)
        found = list(dict.fromkeys(box.left for box in boxes))
        assert found == [each for each in offsets if each >= 0]


def test_a_tiled_latent_agrees_with_the_authors(known, agrees):
    z = known["canvas/in.z"]
    boxes = sizes.latent_boxes(9, 13, 8, 4)

    def predict(sample, timestep):
        def within(box):
            x, clean = box.crop(sample), box.crop(z)
            return stand_in(x, timestep, clean) + 0.2 * x.mean((2, 3), keepdim=True)

        return blended(boxes, within)

    noise = drawn(known, "canvas", 4)
    agrees("canvas/out", denoise(known["canvas/in.x_start"], even(4), predict, noise))


def test_colours_agree_with_the_authors(known, agrees):
    content, style = known["colour/in.content"], known["colour/in.style"]
    for method in ("adain", "wavelet"):
        agrees(f"colour/out.{method}", match_colour(content, style, method, clamp=False))
    agrees("colour/out.wavelet_low", low_frequencies(style))


def test_image_tiles_agree_with_the_authors(known, agrees):
    image = known["image_tiles/in.image"]
    boxes = sizes.image_boxes(20, 28, 12, 4)
    agrees("image_tiles/out.order_h0_h1_w0_w1", torch.tensor(boxes, dtype=torch.int32))
    factors = iter(1 + 0.1 * number for number in range(6))
    merged = blended(boxes, lambda box: box.crop(image) * next(factors))
    agrees("image_tiles/out.image", merged)


@pytest.mark.parametrize("row", range(10))
def test_sizes_agree_with_the_authors(known, row):
    values = known["geometry/out.h_w_H_W_PH_PW_outH_outW"][row].tolist()
    height, width = values[:2]
    lr = torch.empty(1, 3, height, width, device="meta")
    large = sizes.enlarged(lr, 512)
    assert list(large.shape[2:]) == values[2:4]
    whole = sizes.padded(large)
    assert list(whole.shape[2:]) == values[4:6]
    assert list(sizes.cut_as_published(whole, height, width, 512).shape[2:]) == values[6:]
    assert sizes.cut(whole, height, width, 512).shape[2:] == (4 * height, 4 * width)


def test_padding_is_cut_before_the_result_is_reduced():
    whole = torch.ones(1, 3, 544, 864)
    whole[..., 512:, :] = whole[..., 853:] = 9.0
    assert sizes.cut(whole, 90, 150, 512).max() < 1.001
    assert sizes.cut_as_published(whole, 90, 150, 512).max() > 8


@pytest.mark.parametrize("size", [(64, 64), (64, 144), (68, 76), (160, 65 * 4)])
@pytest.mark.parametrize("tile", [(64, 32), (96, 32), (32, 40), (64, 0), (128, 96)])
def test_latent_tiles_cover_any_latent(size, tile):
    covered = torch.zeros(*size)
    for box in sizes.latent_boxes(*size, *tile):
        part = box.crop(covered)
        assert part.shape[0] == part.shape[1] <= tile[0]
        assert part.shape[0] % 8 == 0
        part += 1
    assert covered.min() >= 1


def test_large_images_have_tiles_as_long_as_a_shorter_side():
    assert sizes.image_boxes(1280, 1280, 1280, 280) == [(0, 1280, 0, 1280)]
    boxes = sizes.image_boxes(640, 2304, 1280, 280)
    assert boxes == [(0, 640, 0, 1280), (0, 640, 1000, 2280), (0, 640, 1024, 2304)]


def test_crops_are_cut_from_the_centre():
    lr = torch.zeros(1, 3, 128, 128)
    lr[..., 64:] = 1
    square = sizes.centred(lr, 512)
    assert square.shape == (1, 3, 512, 512)
    assert square[..., 0].max() == -1
    assert square[..., -1].min() == 1
    assert sizes.centred(torch.zeros(1, 3, 70, 200), 512).shape == (1, 3, 512, 512)
    assert sizes.centred(torch.zeros(1, 3, 1030, 70, device="meta"), 512).shape[2:] == (512, 512)
