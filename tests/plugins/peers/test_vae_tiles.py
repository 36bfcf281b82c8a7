"""The autoencoder in tiles."""

import weakref

import pytest
import torch
from diffusers import AutoencoderKL
from peft import LoraConfig, inject_adapter_in_model
from torch import nn

from toolkit_peers import vae_tiles
from toolkit_peers.latent_tiles import Box
from toolkit_peers.vae_tiles import boxes, decode, encode_moments

ADAPTER = "default_encoder"


def autoencoder(golden):
    vae = AutoencoderKL(**golden("osediff").config["tiny"]["vae"])
    return golden("osediff").fill(vae).requires_grad_(False)


def with_lora(vae, known):
    names = known.keys["tiny:osediff.pkl:state_dict_vae"]
    config = LoraConfig(
        r=4, lora_alpha=8, target_modules=sorted({name.split(".lora_")[0] for name in names})
    )
    inject_adapter_in_model(config, vae, ADAPTER)
    state = known.state(
        {name: torch.empty(shape, device="meta") for name, (shape, _) in names.items()}
    )
    assert not vae.load_state_dict(state, strict=False).unexpected_keys
    return vae.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def vae(golden):
    return with_lora(autoencoder(golden), golden("osediff"))


@pytest.fixture(scope="module")
def image(golden):
    return golden("osediff").uniform("osediff.vaetiles.image", 1, 3, 176, 208, low=-1, high=1)


@pytest.fixture(scope="module")
def latent(golden):
    return golden("osediff").normal("osediff.vaetiles.z", 1, 4, 56, 48)


@pytest.mark.parametrize(
    ("case", "tile", "pad", "scale"),
    [
        ("encoder_176x208", 64, vae_tiles.ENCODER_PAD, 1 / 8),
        ("encoder_1200x1500", 64, vae_tiles.ENCODER_PAD, 1 / 8),
        ("decoder_56x48", 24, vae_tiles.DECODER_PAD, 8),
        ("decoder_300x260", 24, vae_tiles.DECODER_PAD, 8),
    ],
)
def test_boxes_are_the_published_ones(golden, case, tile, pad, scale):
    height, width = map(int, case.split("_")[1].split("x"))

    def published(name):
        values = golden("osediff")[f"vaetiles.{case}.{name}"].tolist()
        return [Box(top, bottom, left, right) for left, right, top, bottom in values]

    seen, kept = boxes(height, width, tile, pad)
    assert seen == published("input_boxes")
    assert [Box(*(int(side * scale) for side in box)) for box in kept] == published("output_boxes")


@pytest.mark.parametrize("height", [8, 60, 64, 72, 136, 1000])
@pytest.mark.parametrize("tile", [24, 64])
def test_kept_boxes_partition_the_whole(height, tile):
    seen, kept = boxes(height, 200, tile, 32)
    counts = torch.zeros(height, 200)
    for inner, outer in zip(kept, seen, strict=True):
        inner.crop(counts).add_(1)
        assert (outer.top, outer.left) <= (inner.top, inner.left)
        assert (outer.bottom, outer.right) >= (inner.bottom, inner.right)
    assert bool((counts == 1).all())


def test_encodes_in_tiles(golden, close, vae, image):
    close(encode_moments(vae, image, tile=64), golden("osediff")["vaetiles.moments"], 1e-4)


def test_encodes_small_images_at_once(golden, close, vae, image):
    moments = encode_moments(vae, image, tile=208 - 2 * 32)
    close(moments, golden("osediff")["vaetiles.moments_untiled"], 1e-4)
    assert torch.equal(moments, encode_moments(vae, image))
    assert not torch.equal(moments, encode_moments(vae, image, tile=208 - 2 * 32 - 8))


def test_decodes_in_tiles(golden, close, vae, latent):
    decoded = decode(vae, latent, tile=24)
    assert decoded.shape == (1, 3, 448, 384)
    close(decoded[:, :, ::4, ::4], golden("osediff")["vaetiles.decoded_every4th"], 2e-5)


def test_decodes_small_latents_at_once(golden, close, vae, latent):
    decoded = decode(vae, latent, tile=56 - 2 * 11)
    wanted = golden("osediff")["vaetiles.decoded_untiled_every4th"]
    close(decoded[:, :, ::4, ::4], wanted, 2e-5)


def test_latents_are_tiled_from_a_pixel_more_on(vae, latent):
    small = latent[:, :, :8, :30]
    at_once = decode(vae, small)
    assert torch.equal(decode(vae, small, tile=30 - 2 * 11), at_once)
    assert not torch.equal(decode(vae, small, tile=30 - 2 * 11 - 1), at_once)


def test_encodes_and_decodes_like_osediff(golden, close, vae):
    known = golden("osediff")
    moments = encode_moments(vae, known["vae.image"])
    close(moments, known["vae.moments"], 5e-6, relative=True)
    close(decode(vae, known["vae.z"]), known["vae.decoded"], 1e-5)
    assert torch.equal(known["vae.decoded"], known["vae.decoded_without_lora"])


def test_one_tile_is_the_network(close, vae, image, latent):
    image, latent = image[:, :, :64, :80], latent[:, :, :8, :10]
    close(vae_tiles._encoded(vae.encoder, [image])[0], vae.encoder(image), 1e-4)
    close(vae_tiles._decoded(vae.decoder, [latent])[0], vae.decoder(latent), 1e-5)


def test_items_of_a_batch_do_not_mix(close, vae, latent):
    small = latent[:, :, :8, :30]
    other = small.flip(2) * 3
    both = decode(vae, torch.cat([small, other]), tile=6)
    close(both[:1], decode(vae, small, tile=6), 1e-5)
    close(both[1:], decode(vae, other, tile=6), 1e-5)


def test_statistics_weigh_tiles_by_their_pixels(close):
    norm = nn.GroupNorm(2, 4).requires_grad_(False)
    norm.weight.copy_(torch.tensor([1.0, 2, 3, 4]))
    norm.bias.copy_(torch.tensor([0.0, 1, 2, 3]))
    tiles = [torch.randn(2, 4, 3, 5), 5 + 2 * torch.randn(2, 4, 3, 1)]
    normalise = vae_tiles._normalisation(norm, tiles)
    first, second = (tile.view(2, 2, -1) for tile in tiles)
    mean = (5 * first.mean(2) + second.mean(2)) / 6
    variance = (5 * first.var(2, correction=0) + second.var(2, correction=0)) / 6
    for tile in tiles:
        grouped = tile.view(2, 2, -1) - mean[:, :, None]
        wanted = (grouped / (variance[:, :, None] + norm.eps).sqrt()).view_as(tile)
        wanted = wanted * norm.weight.view(1, 4, 1, 1) + norm.bias.view(1, 4, 1, 1)
        close(normalise(tile), wanted, 1e-5)


def test_large_values_in_half_precision_do_not_overflow():
    norm = nn.GroupNorm(2, 4).half().requires_grad_(False)
    tile = torch.linspace(-6e4, 6e4, 4 * 64).view(1, 4, 8, 8).half()
    result = vae_tiles._normalisation(norm, [tile])(tile)
    assert result.dtype == torch.float16
    assert bool(result.isfinite().all())
    assert result.abs().max() > 1


def test_memory_holds_two_activations_per_tile(vae, latent):
    seen, most = [], 0

    def count(_, inputs, output):
        nonlocal most, seen
        seen = [each for each in seen if each() is not None]
        known = {id(each()) for each in seen}
        seen += [weakref.ref(each) for each in (*inputs, output) if id(each) not in known]
        most = max(most, len(seen))

    layers = [each for each in vae.decoder.modules() if isinstance(each, nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        vae_tiles._decoded(vae.decoder, [latent[:, :, :8, :8].clone() for _ in range(8)])
    finally:
        for hook in hooks:
            hook.remove()
    assert 8 < most <= 2 * 8 + 2


@pytest.mark.parametrize("lora", [False, True])
def test_shapes_need_no_values(golden, lora):
    with torch.device("meta"):
        vae = AutoencoderKL(**golden("osediff").config["tiny"]["vae"]).eval()
    if lora:
        names = golden("osediff").keys["tiny:osediff.pkl:state_dict_vae"]
        targets = sorted({name.split(".lora_")[0] for name in names})
        inject_adapter_in_model(LoraConfig(r=4, target_modules=targets), vae, ADAPTER, True)
        vae.to("meta")
    image = torch.empty(1, 3, 176, 208, device="meta")
    assert encode_moments(vae, image, tile=64).shape == (1, 8, 22, 26)
    assert decode(vae, torch.empty(1, 4, 56, 48, device="meta"), tile=24).shape == (1, 3, 448, 384)
