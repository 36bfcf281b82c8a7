"""A one-step generator as files in diffusers' layout, and the code that uses them.

- diffusers: the LoRA, under diffusers' names or those of ComfyUI, and the embeddings.
- merged: UNet with the LoRA in its weights, VAE, schedule, and the embeddings.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DDIMScheduler
from diffusers.utils import convert_state_dict_to_kohya
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from toolkit.errors import ToolkitError

if TYPE_CHECKING:
    from toolkit_generators.one_step import OneStep

_LORA = {"diffusers": "pytorch_lora_weights.safetensors", "comfyui": "lora_comfyui.safetensors"}
"""Names of the LoRA's file; the first is the one that diffusers looks for."""
_EMBEDDINGS = "embeddings.safetensors"


def export(generator: OneStep, folder: Path, form: str, keys: str, base: str) -> str:
    """Writes the files; gives the text of a model card.

    Args:
        generator: Trained; used up if the form is "merged".
        folder: Empty.
        form: "diffusers" or "merged".
        keys: "diffusers" or "comfyui".
        base: What the base weights are called.

    Raises:
        ToolkitError: A file cannot be written.
    """
    if form != "merged" and not generator.lora_rank:
        raise ToolkitError(
            "This run trained all of the UNet's weights: there is no LoRA to export.",
            "Export the whole networks: --to merged",
        )
    state = {name: tensor.cpu() for name, tensor in generator.state().items()}
    lora = {name: tensor for name, tensor in state.items() if name.startswith("unet.")}
    embeddings = {name: tensor for name, tensor in state.items() if name not in lora}
    try:
        save_file(embeddings, folder / _EMBEDDINGS)
        if form == "merged":
            _write_merged(generator, folder)
        else:
            _write_lora(generator, lora, folder / _LORA[keys], keys)
    except SafetensorError as error:
        raise ToolkitError(
            f"The export cannot be written ({error}).", "Is there space? Elsewhere: --out DIR"
        ) from None
    parts = _about(generator, len(lora) // 2, form), _use(generator, form, keys, base)
    return "\n".join(parts)


def _write_lora(generator: OneStep, lora: Mapping[str, Tensor], path: Path, keys: str) -> None:
    """Its alpha goes into the B matrices: then a reader that knows of none takes it to be right."""
    scale = generator.lora_alpha / generator.lora_rank
    scaled = {name: scale * each if ".lora_B." in name else each for name, each in lora.items()}
    if keys == "comfyui":
        save_file(convert_state_dict_to_kohya(scaled), path, {"format": "pt"})
        return
    layers = [name.removesuffix(".lora_A.weight") for name in lora if ".lora_A." in name]
    config = {
        "unet.r": generator.lora_rank,
        "unet.lora_alpha": generator.lora_rank,
        "unet.target_modules": [layer.removeprefix("unet.") for layer in layers],
    }
    save_file(scaled, path, {"format": "pt", "lora_adapter_metadata": json.dumps(config)})


def _write_merged(generator: OneStep, folder: Path) -> None:
    generator.backbone.merge_lora(generator.unet)
    generator.unet.save_pretrained(folder / "unet")
    generator.vae.save_pretrained(folder / "vae")
    _scheduler(generator).save_pretrained(folder / "scheduler")


def _scheduler(generator: OneStep) -> Any:
    """The backbone's schedule, by the two ends that make it."""
    signal = generator.backbone.alphas_cumprod()
    return DDIMScheduler(
        num_train_timesteps=len(signal),
        beta_schedule="scaled_linear",
        beta_start=round(1 - signal[0].item(), 9),
        beta_end=round(1 - (signal[-1] / signal[-2]).item(), 9),
        prediction_type="epsilon",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _about(generator: OneStep, layers: int, form: str) -> str:
    merged = " It is merged into the weights here." if form == "merged" else ""
    return f"""\
# One-step ×{generator.scale} super-resolution (DFOSD) on {generator.backbone.name}

Restores real photographs at four times their size in one diffusion step, after
*Distillation-Free One-Step Diffusion for Real-World Image Super-Resolution* (DFOSD). The photograph
is enlarged by bicubic interpolation and encoded; the UNet predicts the noise in its latent once, at
timestep T_L = {generator.timestep}, told by a learnt embedding in place of a prompt; that noise is
subtracted (eq. 1), and the rest decoded.

- Backbone: {generator.backbone.name}; its VAE is unchanged.
- LoRA on the UNet: rank {generator.lora_rank}, alpha {generator.lora_alpha:g}, \
{layers} layers.{merged}
- `{_EMBEDDINGS}`: {_shapes(generator)}.
"""


def _shapes(generator: OneStep) -> str:
    shapes = {name: list(each.shape) for name, each in generator.condition.named_parameters()}
    return ", ".join(f"`{name}` {shape}" for name, shape in shapes.items())


def _use(generator: OneStep, form: str, keys: str, base: str) -> str:
    notes = [
        "`toolkit restore` also corrects colours, and works in tiles where an image is large.",
    ]
    if generator.posterior == "sample":
        notes.append(
            "It takes a sample of the encoder's posterior, where this code takes the mode."
        )
    if form == "diffusers" and keys == "diffusers":
        notes.append(
            "`load_lora_weights` of diffusers' Stable Diffusion pipelines takes this folder, too."
        )
    if form == "diffusers" and keys == "comfyui":
        notes.append(
            f"In ComfyUI, `{_LORA['comfyui']}` goes into `models/loras`; the embedding and eq. 1\n"
            "are not part of a LoRA, and a workflow has to bring them."
        )
    code = _example(generator, form, keys, base)
    return f"## Use\n\n```python\n{code}```\n\n" + "\n".join(notes) + "\n"


def _example(generator: OneStep, form: str, keys: str, base: str) -> str:
    pipeline = ", StableDiffusionPipeline" if form == "diffusers" and keys == "comfyui" else ""
    more = _more_conditions(generator)
    return f"""\
import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler{pipeline}, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import interpolate, pad

FOLDER = "."  # with the files of this model
{_networks(generator, form, keys, base)}
embeddings = load_file(f"{{FOLDER}}/{_EMBEDDINGS}")

photo = torch.from_numpy(np.array(Image.open("photo.png").convert("RGB")))
lr = photo.movedim(-1, 0)[None] / 255  # [1, 3, h, w], in [0, 1]
h, w = lr.shape[-2:]
lr = pad(lr, (0, -w % {generator.multiple}, 0, -h % {generator.multiple}), mode="replicate")
enlarged = interpolate(lr, scale_factor={generator.scale}, mode="bicubic", antialias=True)
with torch.inference_mode():
    z_l = vae.encode(2 * enlarged - 1).latent_dist.mode() * vae.config.scaling_factor
    noise = unet(z_l, {generator.timestep}, embeddings["text"]{more}).sample
    signal = scheduler.alphas_cumprod[{generator.timestep}]
    z_h = (z_l - (1 - signal).sqrt() * noise) / signal.sqrt()  # eq. 1
    sr = (vae.decode(z_h / vae.config.scaling_factor).sample + 1) / 2
sr = sr[..., : {generator.scale} * h, : {generator.scale} * w].clamp(0, 1)
pixels = (255 * sr[0]).round().byte().movedim(0, -1)
Image.fromarray(pixels.numpy()).save("restored.png")
"""


def _networks(generator: OneStep, form: str, keys: str, base: str) -> str:
    """The lines that load `vae`, `unet` and `scheduler`."""
    if form == "merged":
        return """\
vae = AutoencoderKL.from_pretrained(FOLDER, subfolder="vae")
unet = UNet2DConditionModel.from_pretrained(FOLDER, subfolder="unet")
scheduler = DDIMScheduler.from_pretrained(FOLDER, subfolder="scheduler")"""
    name = _LORA[keys]
    load = f'unet.load_lora_adapter(FOLDER, prefix="unet", weight_name="{name}")'
    if keys == "comfyui":
        load = f"""\
lora, alphas = StableDiffusionPipeline.lora_state_dict(FOLDER, weight_name="{name}")
unet.load_lora_adapter(lora, prefix="unet", network_alphas=alphas)"""
    ends = _scheduler(generator).config
    where = "on the model hub" if "/" in base else "name the folder that holds its unet/ and vae/"
    return f"""\
BASE = "{base}"  # {where}
vae = AutoencoderKL.from_pretrained(BASE, subfolder="vae")
unet = UNet2DConditionModel.from_pretrained(BASE, subfolder="unet")
{load}
scheduler = DDIMScheduler(
    beta_schedule="scaled_linear", beta_start={ends.beta_start}, beta_end={ends.beta_end}
)"""


@torch.no_grad()
def _more_conditions(generator: OneStep) -> str:
    """The further argument of a UNet that is told more than a text, as SDXL's; else nothing."""
    added = generator.condition(1, torch.float32).get("added_cond_kwargs")
    if added is None:
        return ""
    sizes = added["time_ids"].tolist()
    return (
        ', added_cond_kwargs={\n        "text_embeds": embeddings["pooled"],\n'
        f'        "time_ids": torch.tensor({sizes}),\n    }}'
    )
