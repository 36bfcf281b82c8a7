"""SeeSR's networks."""

import pytest
import torch
from diffusers import UNet2DConditionModel

from toolkit.plugin import Checkpoint, WeightsError
from toolkit_peers.seesr import networks
from toolkit_peers.seesr.networks import ControlledUNet, add_image_attentions, seeing

PUBLISHED = "diffusion_pytorch_model"
T = 981


def hollow(known, size):
    """UNet and ControlNet without weights."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            **{k: v for k, v in known.config[size]["unet"].items() if "image" not in k}
        )
    controlnet = networks.controlnet_for(unet)
    add_image_attentions(unet)
    add_image_attentions(controlnet)
    return unet, controlnet


@pytest.fixture(scope="module")
def known(golden):
    return golden("seesr")


@pytest.fixture(scope="module")
def pair(known):
    unet, controlnet = hollow(known, "tiny")
    for network, layout in ((unet, "tiny:unet"), (controlnet, "tiny:controlnet")):
        checkpoint = Checkpoint(layout, known.state(known.published(layout)))
        networks.load(network, checkpoint, torch.float32)
    return unet, controlnet


@pytest.fixture(scope="module")
def full(known):
    return hollow(known, "full")


@pytest.fixture
def taps():
    """Records the first item of modules' outputs; `taps(name=module)`."""
    seen, hooks = {}, []

    def record(name):
        def hook(_module, _inputs, output):
            seen[name] = (output if isinstance(output, torch.Tensor) else output[0])[:1]

        return hook

    def listen(modules):
        hooks.extend(module.register_forward_hook(record(name)) for name, module in modules.items())
        return seen

    yield listen
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def control(controlnet, known, scale=1.0):
    with seeing(controlnet, known["image_tokens"]):
        return controlnet(
            known["x"], T, known["context"], known["hint"], conditioning_scale=scale,
            return_dict=False,
        )  # fmt: skip


@torch.no_grad()
def predict(unet, known):
    with seeing(unet, known["image_tokens"]):
        return unet(known["x"], T, known["context"], return_dict=False)[0]


def test_controlnet_agrees_with_the_authors(known, pair, taps, close):
    controlnet = pair[1]
    seen = taps(
        {
            "hint_embedding": controlnet.controlnet_cond_embedding,
            "down0": controlnet.down_blocks[0],
            "mid": controlnet.mid_block,
        }
    )
    down, middle = control(controlnet, known)
    assert len(down) == 12
    for index, each in enumerate(down):
        close(each[:1], known[f"controlnet.down.{index}"], 2e-5)
    close(middle, known["controlnet.mid"], 2e-5)
    for name, output in seen.items():
        close(output, known[f"controlnet.tap.{name}"], 2e-5)


def test_control_can_be_scaled(known, pair, close):
    _, middle = control(pair[1], known, scale=0.5)
    close(middle[:1], known["controlnet.mid_scale_half"], 2e-5)


def test_unet_agrees_with_the_authors(known, pair, close):
    close(predict(pair[0], known), known["unet.out"], 2e-5)


def test_controlled_unet_agrees_with_the_authors(known, pair, taps, close):
    unet, controlnet = pair
    first = unet.down_blocks[0]
    seen = taps(
        {
            "down0": first,
            "down0.attentions.0": first.attentions[0],
            "down0.image_attentions.0": first.image_attentions[0],
            "mid": unet.mid_block,
            "up1": unet.up_blocks[1],
            "up3": unet.up_blocks[3],
        }
    )
    inputs = (known[each] for each in ("context", "image_tokens", "hint"))
    eps = ControlledUNet(unet, controlnet)(known["x"], T, *inputs)
    close(eps, known["unet.out_with_control"], 2e-5)
    for name, output in seen.items():
        wanted = known[f"unet.tap.{name}"]
        # That of up1, of a maximum of 20, is itself 2.1e-5 from the result in float64.
        close(output, wanted, 3e-5 if wanted.abs().max() > 8 else 2e-5)
    assert len(seen) == 6


@torch.no_grad()
def test_a_block_agrees_with_the_authors(known, pair, close):
    block = pair[0].down_blocks[1]
    with seeing(block, known["image_tokens"][:1]):
        out, skipped = block(
            known["block.hidden"],
            known["block.temb"],
            encoder_hidden_states=known["context"][:1],
        )
    close(out, known["block.down1.out"], 1e-5)
    for index, each in enumerate(skipped):
        close(each, known[f"block.down1.res.{index}"], 1e-5)


def test_tokens_are_seen_within_the_block_of_code_alone(known, pair):
    unet, tokens = pair[0], known["image_tokens"]
    before = predict(unet, known)
    with torch.no_grad(), seeing(unet, -tokens):
        other = unet(known["x"], T, known["context"]).sample
    with pytest.raises(ZeroDivisionError), seeing(unet, tokens):
        raise ZeroDivisionError
    with torch.no_grad():
        without = unet(known["x"], T, known["context"]).sample
    assert torch.equal(predict(unet, known), before)
    assert (other - before).abs().max() > 1e-3
    assert (without - before).abs().max() > 1e-3


def test_networks_have_the_published_sizes(known, full):
    def count(network, within=""):
        return sum(p.numel() for n, p in network.named_parameters() if within in n)

    unet, controlnet = full
    sizes = known.config["parameters"]
    assert count(unet) == sizes["unet"]
    assert count(unet, ".image_attentions.") == sizes["unet_image_attentions"]
    assert count(controlnet) == sizes["controlnet"]
    assert count(controlnet, ".image_attentions.") == sizes["controlnet_image_attentions"]


@pytest.mark.parametrize("index", [0, 1])
def test_published_files_fit_exactly(known, full, index):
    layout = f"seesr/{('unet', 'controlnet')[index]}/{PUBLISHED}"
    content = known.published(layout)
    networks.load(full[index], Checkpoint("file", content), torch.float32)
    assert not any(each.requires_grad for each in full[index].parameters())

    lost = "down_blocks.1.image_attentions.0.transformer_blocks.0.attn2.to_k.weight"
    for changed, message in (
        ({lost: None}, f"file lacks {lost}"),
        ({"up_blocks.0.image_attentions.0.norm.bias": torch.zeros(1)}, r"has up_blocks\.0\.image"),
        ({lost: torch.zeros(640, 1024)}, rf"{lost} is \(640, 1024\) in file, but \(640, 512\)"),
    ):
        with pytest.raises(WeightsError, match=message):
            networks.load(full[index], Checkpoint("file", content | changed), torch.float32)


def test_random_weights_are_always_the_same_and_leave_nothing_out(known):
    made = []
    for _ in range(2):
        network = hollow(known, "tiny")[1]
        networks.randomise(network)
        made.append(network.state_dict())
    for name, each in made[0].items():
        assert torch.equal(each, made[1][name]), name
        assert each.isfinite().all()
    assert made[0]["controlnet_mid_block.weight"].std() > 0.01


def test_shapes_need_no_values(known):
    unet, controlnet = hollow(known, "tiny")
    inputs = (known[each].to("meta") for each in ("context", "image_tokens", "hint"))
    eps = ControlledUNet(unet, controlnet)(known["x"].to("meta"), T, *inputs)
    assert eps.is_meta
    assert eps.shape == known["x"].shape
