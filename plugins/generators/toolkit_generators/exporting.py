"""Exports a one-step generator in diffusers' layout, with a pipeline that restores.

- diffusers: LoRA, with diffusers' or ComfyUI's key names, which the pipeline adds to the base.
- merged: VAE, and UNet with merged LoRA.

Both have a scheduler, and the embeddings as `condition/`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from diffusers import DDIMScheduler
from diffusers.utils import convert_state_dict_to_kohya
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from toolkit.plugin import ToolkitError
from toolkit_generators.custom_pipeline import condition, pipeline

if TYPE_CHECKING:
    from toolkit_generators.model import OneStepModel

_LORA = {"diffusers": "pytorch_lora_weights.safetensors", "comfyui": "lora_comfyui.safetensors"}
"""File names of the LoRA by key format; diffusers looks for the first by default."""
_LORA_FOLDER = "unet/lora"
"""Below a component's folder, of which diffusers' pipelines download all."""
_CONDITION = "condition"


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
    try:
        _write_pipeline(generator, folder, None if form == "merged" else base)
        if form == "merged":
            _write_merged(generator, folder)
        else:
            _write_lora(generator, lora, folder / _LORA_FOLDER / _LORA[keys], keys)
    except SafetensorError as error:
        raise ToolkitError(
            f"Cannot write the export ({error}).",
            "Check free space, or export to another folder: --out DIR",
        ) from None
    sections = _about(generator, len(lora) // 2, form), _usage(form, keys, base)
    return "\n".join(sections)


def _write_lora(generator: OneStepModel, lora: Mapping[str, Tensor], path: Path, keys: str) -> None:
    """Writes the LoRA, with alpha / rank in the B matrices for programs that ignore alpha."""
    path.parent.mkdir(parents=True)
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


def _write_pipeline(generator: OneStepModel, folder: Path, base: str | None) -> None:
    """Writes all but the networks: the pipeline's code and settings, scheduler and embeddings."""
    shutil.copyfile(str(pipeline.__file__), folder / "pipeline.py")
    _scheduler(generator).save_pretrained(folder / "scheduler")
    embeddings = _embeddings(generator)
    embeddings.save_pretrained(folder / _CONDITION)
    shutil.copyfile(str(condition.__file__), folder / _CONDITION / "condition.py")
    own = base is None
    index = {
        "_class_name": ["pipeline", pipeline.OneStepPipeline.__name__],
        "_diffusers_version": version("diffusers"),
        "vae": ["diffusers", "AutoencoderKL"] if own else [None, None],
        "unet": ["diffusers", "UNet2DConditionModel"] if own else [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "condition": [_CONDITION, condition.OneStepCondition.__name__],
        "timestep": generator.timestep,
        "scale": generator.scale,
        "posterior": generator.posterior,
        "base": base,
    }
    text = json.dumps(index, indent=2) + "\n"
    (folder / "model_index.json").write_text(text, encoding="utf-8")


@torch.no_grad()
def _embeddings(generator: OneStepModel) -> condition.OneStepCondition:
    """Returns the generator's embeddings as a part of the pipeline."""
    made: condition.OneStepCondition
    own: Any = generator.condition
    added = own(1, torch.float32).get("added_cond_kwargs")
    sizes = [] if added is None else added["time_ids"][0].tolist()
    pooled = 0 if added is None else own.pooled.shape[1]
    made = condition.OneStepCondition(*own.text.shape[1:], pooled, sizes)
    made.load_state_dict({name: tensor.cpu() for name, tensor in own.state_dict().items()})
    return made


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
- Embeddings, in `{_CONDITION}/`: {_shapes(generator)}.
"""


def _shapes(generator: OneStepModel) -> str:
    parameters = generator.condition.named_parameters()
    return ", ".join(f"`{name}` {list(parameter.shape)}" for name, parameter in parameters)


def _usage(form: str, keys: str, base: str) -> str:
    needs, more = "", ""
    if form != "merged":
        needs = " and peft" if keys == "diffusers" else ", peft and transformers"
        if "/" not in base:
            more = f', base="{base}"'
    notes = [f"It needs diffusers{needs}. The code that it trusts is `pipeline.py` in this folder."]
    if more:
        notes.append(f"`base` is the folder that contains `unet/` and `vae/` of `{base}`.")
    notes.append(
        "Large images are processed in tiles, and colours are corrected, as by `toolkit restore`;\n"
        "see the arguments `tile`, `colour` and `strength`."
    )
    if form == "diffusers" and keys == "diffusers":
        notes.append(
            "`load_lora_weights` of diffusers' Stable Diffusion pipelines also reads the LoRA,\n"
            f'with `subfolder="{_LORA_FOLDER}"`.'
        )
    if form == "diffusers" and keys == "comfyui":
        notes.append(
            f"In ComfyUI, put `{_LORA_FOLDER}/{_LORA['comfyui']}` into `models/loras`; the\n"
            "workflow must supply the embedding and eq. 1, which a LoRA cannot contain."
        )
    return (
        f"""\
## Use

```python
import torch
from diffusers import DiffusionPipeline
from PIL import Image

FOLDER = "."  # with the files of this model, or its name on the model hub
pipe = DiffusionPipeline.from_pretrained(FOLDER, trust_remote_code=True{more})
# pipe.to("cuda", torch.float16)
pipe(Image.open("photo.png")).images[0].save("restored.png")
```

"""
        + "\n".join(notes)
        + "\n"
    )
