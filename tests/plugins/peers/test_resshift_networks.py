"""ResShift's networks, and the files they are read from."""

import pytest
import torch

from toolkit.plugin import Checkpoint, WeightsError
from toolkit_peers.resshift import swin
from toolkit_peers.resshift.autoencoder import Autoencoder, autoencoder_network, read_autoencoder
from toolkit_peers.resshift.build import networks, opened, read_unet, unprefixed
from toolkit_peers.resshift.network import (
    FULL,
    TINY,
    Down,
    ResidualBlock,
    UNet,
    UNetSizes,
    Up,
    sinusoids,
)

DEEP = UNetSizes(width=32, swin_width=64)
UNETS = [
    ("resshift", "resshift_realsrx4_s15_v1.pth"),
    ("resshift", "resshift_realsrx4_s15_v2.pth"),
    ("sinsr", "SinSR_v1.pth"),
    ("sinsr", "SinSR_v2.pth"),
]
AUTOENCODER = "autoencoder_vq_f4.pth"
BOTH = [UNETS[0][1], AUTOENCODER]


@pytest.fixture(scope="module")
def known(golden):
    return golden("resshift")


@pytest.fixture(scope="module")
def agrees(known, close):
    """Compares with the golden tensor of a name, within its tolerance."""
    return lambda found, label: close(found, known[label], known.atol(label))


def read(layout, content, sizes=FULL):
    """Reads a file's content into a network without values."""
    checkpoint = unprefixed(Checkpoint(layout, content).unwrapped())
    with torch.device("meta"):
        network = autoencoder_network() if layout == AUTOENCODER else UNet(sizes)
    (read_autoencoder if layout == AUTOENCODER else read_unet)(network, checkpoint)
    return network


def layer(known, resolution):
    return known.fill(swin.SwinLayer(64, 64, resolution, 4))


@pytest.mark.parametrize("system", ["resshift", "sinsr"])
def test_weights_and_inputs_follow_the_rule(golden, system, close):
    known = golden(system)
    for label in known.labels:
        if label.startswith("rule/"):
            name, shape = label.removeprefix("rule/").removesuffix("]").split("[")
            wanted = known.weight(name, tuple(map(int, shape.split(","))))
            close(wanted, known[label], known.atol(label))
        elif known.tensors[label]["role"] == "input":
            assert torch.equal(known[label], known.made(label)), label


def test_timesteps_are_embedded_as_published(agrees):
    agrees(sinusoids(torch.arange(15), 32), "embedding/timestep_dim32_t0-14")
    agrees(sinusoids(torch.tensor([14]), 160), "embedding/timestep_dim160_t14")


@pytest.mark.parametrize(
    ("label", "window", "shift", "rows", "columns"),
    [("mask_w4_s2_8x12", 4, 2, 2, 3), ("mask_w8_s4_16x16", 8, 4, 2, 2)],
)
def test_the_lowest_windows_are_masked_by_column(agrees, label, window, shift, rows, columns):
    mask = torch.zeros(rows, columns, window**2, window**2)
    mask[-1] = swin.column_mask(window, shift)
    agrees(mask.flatten(0, 1), f"swin/{label}/out")


def test_positions_are_relative_as_published(agrees):
    agrees(swin.relative_positions(4).int(), "swin/relative_position_index_w4/out")


@torch.no_grad()
def test_attention_is_as_published(known, agrees):
    attention = swin.WindowAttention(64, 4, 2)
    known.fill(attention, "blocks.0.attn.")
    tokens = known["swin/attention/in.x"]
    agrees(attention(tokens), "swin/attention/out.nomask")
    mask = known["swin/mask_w4_s2_8x12/out"]
    agrees(attention(tokens, mask), "swin/attention/out.masked")


@torch.no_grad()
def test_swin_blocks_and_layers_are_as_published(known, agrees):
    blocks = layer(known, 16).blocks
    agrees(blocks[0](known["swin/block/in.x"]), "swin/block/out.shift0")
    agrees(blocks[1](known["swin/block/in.x"]), "swin/block/out.shift2")
    features = known["swin/layer/in.x"]
    agrees(layer(known, 16)(features), "swin/layer/out")
    agrees(layer(known, 4)(features), "swin/layer_noshift/out")


@torch.no_grad()
def test_one_row_of_windows_is_all_masked(known):
    features = known["swin/layer/in.x"][:, :, :4]
    block = layer(known, 16).blocks[1]
    tokens = swin.windows(torch.roll(block.norm1(features), (-2, -2), dims=(2, 3)), 4)
    seen = swin.joined(block.attn(tokens, swin.column_mask(4, 2)), 4)
    wanted = features + torch.roll(seen, (2, 2), dims=(2, 3))
    torch.testing.assert_close(block(features), wanted + block.mlp(block.norm2(wanted)))


def test_a_window_shrinks_to_the_nominal_resolution():
    attention = swin.SwinLayer(64, 64, 2, 4).blocks[1].attn
    assert attention.relative_position_bias_table.shape == (9, 2)


@torch.no_grad()
def test_residual_and_resampling_blocks_are_as_published(known, agrees):
    block = known.fill(ResidualBlock(64, 96, 128))
    agrees(block(known["resblock/in.x"], known["resblock/in.emb"]), "resblock/out")
    agrees(known.fill(Down(32))(known["resample/in.x"]), "resample/out.down")
    agrees(known.fill(Up(32))(known["resample/in.x"]), "resample/out.up")


@torch.no_grad()
@pytest.mark.parametrize("system", ["resshift", "sinsr"])
def test_the_unet_and_its_features_are_as_published(golden, system, close):
    known = golden(system)
    unet = read("unet", known.state(known.published("tiny:unet_tiny_rect")), TINY)
    parts = {f"input_block_{n}[:1,:4]": block for n, block in enumerate(unet.input_blocks)}
    parts |= {"middle_block[:1,:4]": unet.middle_block, "emb": unet.time_embed}
    seen = {}
    for name, part in parts.items():
        part.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    inputs = known["unet/tiny_rect/in.x"], torch.tensor([14, 3]), known["unet/tiny_rect/in.lq"]
    seen[""] = unet(*inputs)
    wanted = [each for each in known.labels if each.startswith("unet/tiny_rect/out")]
    assert len(wanted) == (12 if system == "resshift" else 1)
    for label in wanted:
        name = label.removeprefix("unet/tiny_rect/out").removeprefix(".")
        found = seen[name][:1, :4] if name.endswith("]") else seen[name]
        close(found, known[label], known.atol(label))


@torch.no_grad()
def test_the_full_structure_is_as_published(known, agrees):
    unet = read("unet", known.state(known.published("tiny:unet_tiny")), DEEP)
    found = unet(known["unet/tiny/in.x"], torch.tensor([7]), known["unet/tiny/in.lq"])
    agrees(found, "unet/tiny/out")


@torch.no_grad()
def test_the_autoencoder_is_as_published(known, agrees):
    network = autoencoder_network(32, 64)
    read_autoencoder(network, Checkpoint("tiny:vq", known.state(known.published("tiny:vq"))))
    autoencoder = Autoencoder(network)
    agrees(autoencoder.encode(known["vq/encode/in.x"]), "vq/encode/out")
    latent = known["vq/decode/in.z"]
    agrees(autoencoder.nearest(latent).int(), "vq/decode/out.indices")
    assert torch.equal(autoencoder.quantised(latent), known["vq/decode/out.quantised"])
    agrees(autoencoder.decode(latent), "vq/decode/out.image")
    agrees(autoencoder.decode_exactly(latent), "vq/decode/out.image_without_quantising")


def test_the_nearest_codes_of_large_latents_are_found_in_parts():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        autoencoder = Autoencoder(autoencoder_network(32, 64))
        latent = torch.randn(2, 3, 40, 60)  # more than are compared at once
    pixels = latent.permute(0, 2, 3, 1).flatten(0, 2)
    distances = torch.cdist(pixels, autoencoder.network.quantize.embedding.weight)
    assert torch.equal(autoencoder.nearest(latent).flatten(), distances.argmin(1))


@pytest.mark.parametrize(("system", "layout"), [*UNETS, ("sinsr", AUTOENCODER)])
def test_the_published_files_are_read_strictly(golden, system, layout):
    known = golden(system)
    network = read(layout, known.published(layout))
    parts = known.config["parameters"]
    wanted = parts["vq" if layout == AUTOENCODER else "unet"]
    assert sum(each.numel() for each in network.parameters()) == wanted


NAMES = [
    (BOTH[0], "input_blocks.1.1.blocks.1.attn.relative_position_bias_table"),
    (BOTH[0], "output_blocks.8.1.conv.weight"),
    (BOTH[0], "time_embed.2.bias"),
    (AUTOENCODER, "quantize.embedding.weight"),
    (AUTOENCODER, "decoder.up.2.block.2.conv1.weight"),
    (AUTOENCODER, "encoder.mid.attn_1.q.weight"),
]


@pytest.mark.parametrize(("layout", "name"), NAMES)
def test_a_missing_tensor_is_named(known, layout, name):
    content = known.published(layout)
    del content[name]
    with pytest.raises(WeightsError, match=f"{layout} lacks {name}"):
        read(layout, content)


@pytest.mark.parametrize(("layout", "name"), NAMES)
def test_a_tensor_of_another_shape_is_named(known, layout, name):
    content = known.published(layout)
    content[name] = content[name].new_empty(7, *content[name].shape[1:])
    with pytest.raises(WeightsError, match=rf"{name} is \(7,.*{layout}"):
        read(layout, content)


@pytest.mark.parametrize(
    ("layout", "name"), [(BOTH[0], "input_blocks.2.1.patch_embed.proj.bias"), (AUTOENCODER, "loss")]
)
def test_an_unexpected_tensor_is_named(known, layout, name):
    with pytest.raises(WeightsError, match=name):
        read(layout, known.published(layout) | {name: torch.zeros(1)})


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_files_may_be_wrapped(tmp_path, known, wrapped, prefix):
    state = known.state(known.published("tiny:unet_tiny_rect"))
    content = {prefix + name: tensor for name, tensor in state.items()}
    path = tmp_path / "file.pth"
    torch.save({"state_dict": content} if wrapped else content, path)
    with torch.device("meta"):
        unet = UNet(TINY)
    read_unet(unet, opened(path))
    assert all(torch.equal(tensor, state[name]) for name, tensor in unet.state_dict().items())


def test_random_weights_are_the_same_each_time():
    made = [networks("tiny", None, None, "float32") for _ in range(2)]
    for part in (lambda each: each.unet, lambda each: each.autoencoder.network):
        first, second = (part(each).state_dict() for each in made)
        assert all(torch.equal(first[name], second[name]) for name in first)
        assert not part(made[0]).training
        assert not any(each.requires_grad for each in part(made[0]).parameters())
