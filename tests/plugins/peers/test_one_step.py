"""Systems of one step, from files as users have them."""

import pytest
import torch
from safetensors.torch import save_file

import toolkit
from toolkit.component import Context
from toolkit.discovery import installed
from toolkit.plugin import Checkpoint, WeightsError
from toolkit_peers.one_step import adapters, lora
from toolkit_peers.one_step.component import OSEDiffOptions
from toolkit_peers.text import text_network

SIDE = 24
"""Of the LR images; they are restored at 512 pixels."""


def values(tensors, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {name: torch.randn(each.shape, generator=rng) * 0.05 for name, each in tensors.items()}


def lora_state(network, layers, rank=4, replaced=()):
    """A file's tensors for a network, which is given the layers in passing."""
    lora.inject(network, layers, rank, 8)
    whole = {f"{name}.base_layer.{kind}" for name in replaced for kind in ("weight", "bias")}
    state = network.state_dict()
    return values({name: state[name] for name in state if ".lora_" in name or name in whole})


@pytest.fixture(scope="module")
def base():
    return toolkit.make("backbone", "sd21:tiny")


@pytest.fixture(scope="module")
def osediff_file(base):
    """Makes what `osediff.pkl` holds, for the tiny networks."""

    def make(rank=4):
        unet, vae = base.unet(), base.vae()
        return {
            "rank_unet": rank,
            "rank_vae": rank,
            "unet_lora_encoder_modules": ["conv_in"],
            "state_dict_unet": lora_state(unet, adapters.unet_layers(unet), rank, ("conv_in",)),
            "state_dict_vae": lora_state(vae, adapters.vae_layers(vae), rank),
        }

    return make


@pytest.fixture
def folder(tmp_path, osediff_file):
    """A folder with the files of OSEDiff under their published names."""
    torch.save(osediff_file(), tmp_path / "osediff.pkl")
    place = tmp_path / "stable-diffusion-2-1-base" / "text_encoder"
    place.mkdir(parents=True)
    state = text_network(32).state_dict()
    published = {f"text_model.{name}": each for name, each in state.items()}
    save_file(published, place / "model.safetensors")
    return tmp_path


def made(name="osediff", **options):
    return toolkit.make("restorer", name, **{"base": "tiny", **options})


@pytest.fixture(scope="module")
def lr():
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_a_folder_of_published_files(folder, lr):
    unmerged, merged = (
        made(weights=str(folder), tagger=False, merged=merged) for merged in ("none", "all")
    )
    apart = (unmerged(lr) - merged(lr)).abs()
    assert apart.max() < 3 / 255
    assert (apart > 0).float().mean() < 0.01
    assert not torch.equal(merged(lr), made(weights="tiny", tagger=False)(lr))
    assert merged(lr).shape == (1, 3, 4 * SIDE, 4 * SIDE)


def test_a_single_file_stands_for_the_main_one(folder, toolkit_home):
    """The others are then those in the cache, where there are none here."""
    with pytest.raises(WeightsError, match="sd21-text-encoder") as error:
        made(weights=str(folder / "osediff.pkl"), tagger=False)
    assert "osediff.pkl" not in str(error.value)


def change(folder, edit):
    path = folder / "osediff.pkl"
    content = torch.load(path, weights_only=True)
    edit(content["state_dict_unet"])
    torch.save(content, path)


NAME = "down_blocks.0.resnets.0.conv1.lora_A.default_encoder.weight"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda state: state.pop(NAME), rf"lacks {NAME}"),
        (lambda state: state.pop("conv_in.base_layer.bias"), r"lacks conv_in\.base_layer\.bias"),
        (lambda state: state.update(more=torch.ones(1)), "has more, which this model lacks"),
        (lambda state: state.update({NAME: torch.ones(8, 16, 3, 3)}), rf"{NAME} .* rank 8, not 4"),
        (lambda state: state.update({NAME: torch.ones(4, 16, 1, 1)}), rf"{NAME} is \(4, 16, 1, 1"),
    ],
)
def test_a_changed_file_is_named_with_the_tensor(folder, edit, told):
    change(folder, edit)
    with pytest.raises(WeightsError, match=told) as error:
        made(weights=str(folder), tagger=False)
    assert "osediff.pkl" in str(error.value)


def test_lora_of_another_rank(folder, osediff_file):
    torch.save(osediff_file(rank=8), folder / "osediff.pkl")
    with pytest.raises(WeightsError, match=r"osediff\.pkl has rank 8, not 4") as error:
        made(weights=str(folder), tagger=False)
    assert error.value.hint == "For another LoRA: --with lora-file:FILE"


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.99])
def test_a_torn_file(folder, kept):
    path = folder / "osediff.pkl"
    data = path.read_bytes()
    path.write_bytes(data[: int(kept * len(data)) if kept < 1 else kept])
    with pytest.raises(WeightsError, match=r"osediff\.pkl is not a plain file of tensors"):
        made(weights=str(folder), tagger=False)


def test_a_file_of_another_system(folder):
    torch.save({"conv_first.weight": torch.ones(3)}, folder / "osediff.pkl")
    with pytest.raises(WeightsError, match=r"osediff\.pkl lacks state_dict_unet"):
        made(weights=str(folder), tagger=False)


def test_a_folder_without_any_file(tmp_path):
    with pytest.raises(WeightsError, match="holds no weights of this system"):
        made(weights=str(tmp_path))
    with pytest.raises(WeightsError, match="There is no folder or file"):
        made(weights="/no/such/folder")


def test_everything_that_is_missing_is_told_at_once(toolkit_home):
    with pytest.raises(WeightsError) as error:
        toolkit.make("restorer", "osediff")
    told = str(error.value)
    names = (
        "osediff.pkl (18 MB, Apache-2.0)", "ram_swin_large_14m.pth (5626 MB, Apache-2.0)",
        "DAPE.pth", "ram_tag_list.txt", "sd21-text-encoder", "sd21-unet", "sd21-vae",
    )  # fmt: skip
    for name in names:
        assert name in told


@pytest.mark.parametrize(
    ("section", "part"), [("state_dict_unet", "unet"), ("state_dict_vae", "vae")]
)
def test_the_published_layout_loads_strictly(golden, section, part):
    known = golden("osediff")
    context = Context(installed(), read_weights=False)
    with torch.device("meta"):
        network = getattr(context.make("backbone", "sd21"), part)()
    layers = adapters.unet_layers if part == "unet" else adapters.vae_layers
    replaced = adapters.REPLACED if part == "unet" else ()
    lora.inject(network, layers(network), 4, 8)
    layout = known.published(f"osediff.pkl:{section}")
    lora.load(network, Checkpoint("osediff.pkl", layout), replaced)
    assert sum(each.numel() for each in layout.values()) == known.config["parameters"][section]
    for name in list(layout)[::97]:
        shorter = {key: each for key, each in layout.items() if key != name}
        with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
            lora.load(network, Checkpoint("osediff.pkl", shorter), replaced)


def test_pisa_sr_weighs_its_two_loras(base, tmp_path, folder, lr):
    unet = base.unet()
    layers = adapters.unet_layers(unet)
    both = {f"{name}_{kind}": layers[name] for kind in ("pix", "sem") for name in layers}
    state = lora_state(unet, both)
    state |= {name: each for name, each in unet.state_dict().items() if "conv_in.base" in name}
    torch.save({"state_dict_unet": state}, folder / "pisa_sr.pkl")
    options = {"weights": str(folder), "name": "pisa-sr", "colour": "none"}
    restorer = made(**options)
    half = made(**options, semantic=0.5)
    latent, text = torch.randn(1, 4, 64, 64), half.prompts.encode("")
    whole = made(**options, pixel=0.0, semantic=1.0)
    pixel = made(**options, semantic=0.0)
    by_name = {"both": restorer, "half": half, "semantic": whole, "pixel": pixel}
    steps = {name: each.step(latent, text) for name, each in by_name.items()}
    between = steps["pixel"] + 0.5 * (steps["both"] - steps["pixel"])
    assert (between - steps["half"]).abs().max() < 1e-4
    assert (steps["pixel"] + steps["semantic"] - latent - steps["both"]).abs().max() < 1e-4
    assert (steps["pixel"] - steps["both"]).abs().max() > 1e-3
    assert restorer(lr).shape == (1, 3, 4 * SIDE, 4 * SIDE)
    assert half.fingerprint["semantic"] == "0.5"


def test_pisa_sr_refuses_a_file_of_one_lora(folder):
    with pytest.raises(WeightsError, match="does not have PiSA-SR's two LoRAs"):
        made("pisa-sr", weights=str((folder / "osediff.pkl").rename(folder / "pisa_sr.pkl").parent))


@pytest.fixture(scope="module")
def plain_lora(base):
    """A LoRA of rank 2 on some layers of the UNet, by peft's names without adapter."""
    unet = base.unet()
    layers = [name for name in adapters.unet_layers(unet)["default_encoder"] if "attn1" in name]
    state = lora_state(unet, {"default": layers}, rank=2)
    return {name.replace(".default.", "."): each for name, each in state.items()}


FORMS = {
    "bare": lambda name: name,
    "peft": lambda name: f"base_model.model.{name}",
    "diffusers": lambda name: f"unet.{name}",
    "old": lambda name: name.replace("lora_A", "lora.down").replace("lora_B", "lora.up"),
}


@pytest.mark.parametrize("form", FORMS)
def test_lora_file_reads_the_forms_that_people_have(tmp_path, plain_lora, lr, form):
    path = tmp_path / "lora.safetensors"
    save_file({FORMS[form](name): each for name, each in plain_lora.items()}, path)
    restorer = made("lora-file", file=path, weights="tiny", timestep=200)
    reference = tmp_path / "reference.pth"
    torch.save({"state_dict": plain_lora}, reference)
    wanted = made("lora-file", file=reference, weights="tiny", timestep=200)
    assert torch.equal(restorer(lr), wanted(lr))


def test_lora_file_takes_rule_timestep_and_scale(tmp_path, plain_lora, lr):
    path = tmp_path / "lora.safetensors"
    save_file(plain_lora, path)
    options = {"file": path, "weights": "tiny", "timestep": 200, "colour": "none"}
    default = made("lora-file", **options)
    latent, text = torch.randn(1, 4, 16, 16), default.prompts.encode("")
    alpha = toolkit.make("backbone", "sd21:tiny").alphas_cumprod()[200].item()
    noise = (latent - alpha**0.5 * default.step(latent, text)) / (1 - alpha) ** 0.5
    residual = made("lora-file", **options, rule="residual").step(latent, text)
    assert (latent - noise - residual).abs().max() < 1e-4
    same = made("lora-file", **options, alpha=2.0)
    assert torch.equal(same.step(latent, text), default.step(latent, text))
    stronger = made("lora-file", **options, alpha=20.0)
    assert not torch.equal(stronger.step(latent, text), default.step(latent, text))


def test_lora_file_takes_learned_embeddings(tmp_path, plain_lora, lr):
    path, embedding = tmp_path / "lora.safetensors", tmp_path / "embedding.safetensors"
    save_file(plain_lora, path)
    options = {"file": path, "weights": "tiny", "timestep": 200}
    restorer = made("lora-file", **options)
    save_file({"text": restorer.prompts.encode("a street")[0]}, embedding)
    learned = made("lora-file", **options, embedding=embedding)
    assert torch.equal(learned(lr), made("lora-file", **options, prompt="a street")(lr))
    assert not torch.equal(learned(lr), restorer(lr))
    save_file({"text": torch.ones(77, 33)}, embedding)
    with pytest.raises(WeightsError, match="does not hold one embedding of 77 tokens"):
        made("lora-file", **options, embedding=embedding)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"conv_in.weight": torch.ones(3)}, "holds no LoRA in peft's layout"),
        ({"nothing.lora_A.weight": torch.ones(2, 3), "nothing.lora_B.weight": torch.ones(3, 2)},
         "changes nothing, which this network lacks"),
        ({"conv_in.lora_A.weight": torch.ones(2, 4, 3, 3)}, r"lacks conv_in\.lora_B"),
        ({"conv_in.lora_A.weight": torch.ones(2, 4, 3, 3),
          "conv_out.lora_A.weight": torch.ones(3, 16, 3, 3)}, "several ranks"),
    ],
)  # fmt: skip
def test_lora_file_refuses_other_files(tmp_path, content, told):
    save_file(content, tmp_path / "lora.safetensors")
    with pytest.raises(WeightsError, match=told):
        made("lora-file", file=tmp_path / "lora.safetensors", weights="tiny")


def test_the_fingerprint_tells_a_fixed_prompt(lr):
    tagged, fixed = (
        made(weights="tiny", tagger=tagger, prompt="a cat") for tagger in (True, False)
    )
    assert tagged.fingerprint["tagger"] == "RAM with DAPE"
    assert tagged.fingerprint["prompt"] == "{tags}, a cat,"
    assert fixed.fingerprint["precision"] == "float32"
    assert fixed.fingerprint["tagger"] == "none; fixed prompt 'a cat'"
    assert "tagger" in tagged.networks
    assert "tagger" not in fixed.networks
    assert OSEDiffOptions().tagger
