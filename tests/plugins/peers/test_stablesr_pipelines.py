"""StableSR's programs, from image to image, with tiny networks."""

import dataclasses

import pytest
import torch
from torch import nn

from toolkit.plugin import ImageError
from toolkit_peers.noise import seeded
from toolkit_peers.stablesr import sizes
from toolkit_peers.stablesr.restorer import Settings, StableSR

SMALL = Settings(
    compatible=True, steps=4, latent_tile=16, latent_overlap=8, image_tile=320,
    image_overlap=70, floor=128,
)  # fmt: skip
DRAWN = ("in.noise_posterior", "in.noise_start")
STEPS = tuple(f"in.noise_t{timestep}" for timestep in (999, 666, 333, 0))


@pytest.fixture(scope="module")
def known(golden):
    return golden("stablesr")


@pytest.fixture(scope="module", name="agrees")
def _agrees(agrees):
    return agrees("stablesr")


@pytest.fixture
def make(known, tiny_stablesr):
    """Makes a restorer with the goldens' text condition; its latents and images are recorded."""

    class Text:
        network = nn.Identity()

        def __call__(self, prompt):
            assert prompt == ""
            return known["pipeline/in.context"]

    networks = dataclasses.replace(tiny_stablesr, text=Text())
    seen, hooks = {"latents": [], "decoded": []}, []
    hooks.append(
        networks.fusion.post_quant_conv.register_forward_pre_hook(
            lambda _module, inputs: seen["latents"].append(inputs[0])
        )
    )
    hooks.append(
        networks.fusion.decoder.register_forward_hook(
            lambda _module, _inputs, output: seen["decoded"].append(output)
        )
    )
    yield lambda **changed: (StableSR(networks, dataclasses.replace(SMALL, **changed)), seen)
    for hook in hooks:
        hook.remove()


def from_8_bits(image):
    return (image.float() / 255).permute(2, 0, 1)[None]


def drawn(known, prefix, names):
    """Starts the goldens' noise."""

    def start():
        left = iter(names)
        return lambda shape: known.normal(f"{prefix}/{next(left)}", *shape)

    return start


def check_image(agrees, known, prefix, image, sr):
    """The image before it is cut, and the file."""
    agrees(f"{prefix}/out.image", image)
    found, wanted = sr[0].permute(1, 2, 0) * 255, known[f"{prefix}/out.png"]
    agrees(f"{prefix}/out.png", found.round().to(torch.uint8))
    assert (found.round() != wanted).float().mean() < 1e-3


CASES = {
    "canvas_adain": {"colour": "adain"},
    "tiled_wavelet": {"colour": "wavelet", "image_tile": 128, "image_overlap": 32},
    "small_input": {"colour": "none"},
}


@pytest.mark.parametrize("name", CASES)
def test_images_of_any_size_agree_with_the_authors(known, agrees, make, name):
    prefix = f"pipeline/{name}"
    made, seen = make(**CASES[name])
    lr = from_8_bits(known[f"{prefix}/in.lr"])
    start = drawn(known, prefix, DRAWN + STEPS)
    with torch.no_grad():
        whole = made.whole(lr, start)
    made.whole = lambda *_: whole
    for index, latent in enumerate(seen["latents"]):
        place = f"{prefix}/tile{index}" if len(seen["latents"]) > 1 else prefix
        agrees(f"{place}/out.latent_over_scale", latent)
    if name == "canvas_adain":
        agrees(f"{prefix}/out.decoded", seen["decoded"][0])
    image = sizes.reduced_as_published(whole, sizes.factor(*lr.shape[2:], 128))
    image = (image / 2 + 0.5).clamp(0, 1)
    check_image(agrees, known, prefix, image, made.restore(lr, start))


def test_crops_agree_with_the_authors(known, agrees, make):
    prefix = "pipeline/crop512_adain"
    made, seen = make(program="crop")
    lr = from_8_bits(known[f"{prefix}/in.lr"])
    names = ("in.noise_posterior", "unused.noise_start", "in.x_start", *STEPS)
    with torch.no_grad():
        square = made.crop(lr, drawn(known, prefix, names)())
    made.crop = lambda *_: square
    agrees(f"{prefix}/out.latent_over_scale", seen["latents"][0])
    image = (square / 2 + 0.5).clamp(0, 1)
    check_image(agrees, known, prefix, image, made.restore(lr, lambda: None))


def test_inputs_that_are_not_stored_follow_the_rule(known):
    label = "pipeline/canvas_adain/in.lr"
    assert torch.equal(known.image(label, 33, 40, 3), known[label])
    label = "vae/in.image"
    assert torch.equal(known.uniform(label, 1, 3, 32, 48, low=-1.0, high=1.0), known[label])


@pytest.fixture
def fast(make):
    """Without networks: sizes alone are of interest."""

    def made(**changed):
        restorer, _ = make(**{"floor": 512} | changed)
        restorer._restored = lambda image, _noise: image
        return restorer

    return made


@pytest.mark.parametrize("size", [(37, 53), (16, 16), (24, 40), (90, 150), (120, 333)])
def test_results_are_four_times_the_size(fast, size):
    lr = torch.rand(1, 3, *size)
    sr = fast(compatible=False)(lr)
    assert sr.shape == (1, 3, 4 * size[0], 4 * size[1])
    assert not torch.equal((sr * 255).round(), sr * 255)
    small = nn.functional.interpolate(sr, size, mode="area")
    assert (small - lr).abs().mean() < 0.15


@pytest.mark.parametrize("row", range(10))
def test_compatible_results_have_the_authors_sizes(known, fast, row):
    height, width, *_, out_height, out_width = known["geometry/out.h_w_H_W_PH_PW_outH_outW"][row]
    lr = torch.rand(1, 3, int(height), int(width))
    sr = fast(image_tile=4096)(lr)
    assert sr.shape == (1, 3, out_height, out_width)
    levels = sr * 255
    assert (levels - levels.round()).abs().max() < 1e-3


def test_compatible_results_are_truncated(fast):
    lr = torch.full((1, 3, 128, 128), 100.9 / 255)
    assert (fast(image_tile=4096)(lr) * 255).round().unique().tolist() == [100]
    assert (fast(compatible=False)(lr) * 255).round().unique().tolist() == [101]


def test_each_tile_of_an_image_has_the_same_noise(make):
    made, _ = make(compatible=False, image_tile=128, image_overlap=64, colour="none", steps=1)
    seen = []
    made._restored = lambda image, noise: (seen.append(noise((3,))), image)[1]
    lr = torch.rand(1, 3, 32, 64)
    sr = made.restore(lr, lambda: seeded(42, torch.device("cpu")))
    assert len(seen) == 3
    assert all(torch.equal(each, seen[0]) for each in seen)
    torch.testing.assert_close(sr * 2 - 1, sizes.enlarged(lr * 2 - 1, 128), atol=1e-5, rtol=0)


def test_images_longer_than_a_tile_in_one_direction_alone_are_restored(make):
    made, _ = make(compatible=False, image_tile=160, image_overlap=32, steps=1)
    lr = torch.rand(1, 3, 32, 56, generator=torch.Generator().manual_seed(0))
    sr = made(lr)
    assert sr.shape == (1, 3, 128, 224)
    # No seam: where tiles begin and end, columns differ as elsewhere.
    steps = sr.diff(dim=3).abs().mean((0, 1, 2))
    assert steps[[63, 64, 159, 160]].max() < 2 * steps.median()


def test_crops_have_one_size_alone(make):
    made, _ = make(program="crop", compatible=False)
    with pytest.raises(ImageError, match=r"restores 32x32 pixels, not 40x33"):
        made(torch.rand(1, 3, 33, 40))
    compatible, _ = make(program="crop", steps=1)
    assert compatible(torch.rand(1, 3, 64, 100)).shape == (1, 3, 128, 128)
    with pytest.raises(ImageError, match="not 100x31"):
        compatible(torch.rand(1, 3, 31, 100))
