"""Exports a one-step generator in diffusers' layout, with example code.

- diffusers: LoRA, with diffusers' or ComfyUI's key names, and embeddings.
- merged: UNet with merged LoRA, VAE, scheduler, and embeddings.
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

from toolkit.plugin import ToolkitError

if TYPE_CHECKING:
    from toolkit_generators.model import OneStepModel

_LORA = {"diffusers": "pytorch_lora_weights.safetensors", "comfyui": "lora_comfyui.safetensors"}
"""File names of the LoRA by key format; diffusers looks for the first by default."""
_EMBEDDINGS = "embeddings.safetensors"


def export(generator: OneStepModel, folder: Path, form: str, keys: str, base: str) -> str:
    """Writes the files and returns the text of a model card.

    Args:
        generator: Trained generator; must not be used afterwards if the form is "merged".
        folder: Empty folder to write to.
        form: "diffusers" or "merged".
        keys: Key names of the LoRA file: "diffusers" or "comfyui".
        base: Name of the base weights.

    Raises:
        ToolkitError: The run has no LoRA to export, or a file cannot be written.
    """
    if form != "merged" and not generator.lora_rank:
        raise ToolkitError(
            "This run trained all UNet weights, so it has no LoRA to export.",
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
            f"Cannot write the export ({error}).",
            "Check free space, or export to another folder: --out DIR",
        ) from None
    sections = _about(generator, len(lora) // 2, form), _usage(generator, form, keys, base)
    return "\n".join(sections)


def _write_lora(generator: OneStepModel, lora: Mapping[str, Tensor], path: Path, keys: str) -> None:
    """Writes the LoRA, with alpha / rank in the B matrices for programs that ignore alpha."""
    scale = generator.lora_alpha / generator.lora_rank
    scaled = {name: scale * w if ".lora_B." in name else w for name, w in lora.items()}
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


def _write_merged(generator: OneStepModel, folder: Path) -> None:
    generator.backbone.merge_lora(generator.unet)
    generator.unet.save_pretrained(folder / "unet")
    generator.vae.save_pretrained(folder / "vae")
    _scheduler(generator).save_pretrained(folder / "scheduler")


def _scheduler(generator: OneStepModel) -> Any:
    """Returns a scheduler with the backbone's first and last β."""
    alphas_cumprod = generator.backbone.alphas_cumprod()
    return DDIMScheduler(
        num_train_timesteps=len(alphas_cumprod),
        beta_schedule="scaled_linear",
        beta_start=round(1 - alphas_cumprod[0].item(), 9),
        beta_end=round(1 - (alphas_cumprod[-1] / alphas_cumprod[-2]).item(), 9),
        prediction_type="epsilon",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _about(generator: OneStepModel, layers: int, form: str) -> str:
    merged = " Merged into these weights." if form == "merged" else ""
    return f"""\
# One-step ×{generator.scale} super-resolution (DFOSD) on {generator.backbone.name}

Restores real photographs at four times their size in one diffusion step, following
*Distillation-Free One-Step Diffusion for Real-World Image Super-Resolution* (DFOSD). The photograph
is upsampled by bicubic interpolation and encoded. Conditioned on a learnt embedding instead of a
prompt, the UNet predicts the noise in the latent once, at timestep T_L = {generator.timestep}. The
noise is subtracted (eq. 1) and the result decoded.

- Backbone: {generator.backbone.name}; its VAE is unchanged.
- LoRA on the UNet: rank {generator.lora_rank}, alpha {generator.lora_alpha:g}, \
{layers} layers.{merged}
- `{_EMBEDDINGS}`: {_shapes(generator)}.
"""


def _shapes(generator: OneStepModel) -> str:
    parameters = generator.condition.named_parameters()
    return ", ".join(f"`{name}` {list(parameter.shape)}" for name, parameter in parameters)


def _usage(generator: OneStepModel, form: str, keys: str, base: str) -> str:
    notes = [
        "`toolkit restore` also corrects colours, and processes large images in tiles.",
    ]
    if generator.posterior == "sample":
        notes.append(
            "It takes a sample of the encoder's posterior, where this code takes the mode."
        )
    if form == "diffusers" and keys == "diffusers":
        notes.append(
            "`load_lora_weights` of diffusers' Stable Diffusion pipelines also reads this folder."
        )
    if form == "diffusers" and keys == "comfyui":
        notes.append(
            f"In ComfyUI, put `{_LORA['comfyui']}` into `models/loras`; the workflow must supply\n"
            "the embedding and eq. 1, which a LoRA cannot contain."
        )
    code = _example(generator, form, keys, base)
    return f"## Use\n\n```python\n{code}```\n\n" + "\n".join(notes) + "\n"


def _example(generator: OneStepModel, form: str, keys: str, base: str) -> str:
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


def _networks(generator: OneStepModel, form: str, keys: str, base: str) -> str:
    """Returns the lines that load `vae`, `unet` and `scheduler`."""
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
    schedule = _scheduler(generator).config
    comment = "on the model hub" if "/" in base else "the folder that contains its unet/ and vae/"
    return f"""\
BASE = "{base}"  # {comment}
vae = AutoencoderKL.from_pretrained(BASE, subfolder="vae")
unet = UNet2DConditionModel.from_pretrained(BASE, subfolder="unet")
{load}
scheduler = DDIMScheduler(
    beta_schedule="scaled_linear", beta_start={schedule.beta_start}, beta_end={schedule.beta_end}
)"""


@torch.no_grad()
def _more_conditions(generator: OneStepModel) -> str:
    """Returns code for SDXL's `added_cond_kwargs`, or "" for UNets conditioned on text only."""
    added = generator.condition(1, torch.float32).get("added_cond_kwargs")
    if added is None:
        return ""
    sizes = added["time_ids"].tolist()
    return (
        ', added_cond_kwargs={\n        "text_embeds": embeddings["pooled"],\n'
        f'        "time_ids": torch.tensor({sizes}),\n    }}'
    )
