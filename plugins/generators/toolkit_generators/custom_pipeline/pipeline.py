"""Restores photographs in one step of a diffusion model.

    pipe = DiffusionPipeline.from_pretrained(FOLDER, trust_remote_code=True)
    pipe(Image.open("photo.jpg")).images[0].save("restored.png")

It needs diffusers, and peft where the folder holds a LoRA.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from itertools import pairwise, product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DiffusionPipeline,
    ImagePipelineOutput,
    UNet2DConditionModel,
)
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from PIL import Image, ImageOps
from torch import Tensor, nn
from torch.nn import functional as F

_LORA = Path("unet", "lora")
_WHOLE_PIXELS = 256 * 256
_OVERLAP = 32
_LEVELS = 5


class OneStepPipeline(DiffusionPipeline):  # type: ignore[misc]
    """Encodes an enlarged photograph, subtracts the noise that the UNet predicts once, and decodes.

    Args:
        vae: The autoencoder; None for that of `base`.
        unet: The noise predictor; None for that of `base`, with the LoRA in the folder that
            `condition` was loaded from.
        scheduler: Has the noise schedule.
        condition: Takes the place of a prompt.
        timestep: The timestep of the one step.
        scale: Pixels per pixel of the input, on a side.
        posterior: Whether to encode to the `mode` of the VAE's posterior or to a `sample`.
        base: Folder, or repository of the model hub, with `unet/` and `vae/`.
    """

    model_cpu_offload_seq = "vae->unet"
    _exclude_from_cpu_offload = ["condition"]  # noqa: RUF012 - as in diffusers
    _optional_components = ["vae", "unet"]  # noqa: RUF012

    def __init__(
        self,
        vae: AutoencoderKL | None,
        unet: UNet2DConditionModel | None,
        scheduler: DDIMScheduler,
        condition: Any,
        timestep: int = 399,
        scale: int = 4,
        posterior: str = "mode",
        base: str | None = None,
    ) -> None:
        super().__init__()
        dtype = next(condition.parameters()).dtype
        if vae is None:
            vae = _of_base(AutoencoderKL, "vae", base, dtype)
        if unet is None:
            unet = _of_base(UNet2DConditionModel, "unet", base, dtype)
            _add_lora(unet, Path(condition.config._name_or_path).parent / _LORA)  # noqa: SLF001
        self.register_modules(vae=vae, unet=unet, scheduler=scheduler, condition=condition)
        self.register_to_config(timestep=timestep, scale=scale, posterior=posterior, base=base)

    @torch.no_grad()
    def __call__(
        self,
        image: Image.Image | list[Image.Image] | Tensor,
        *,
        tile: int | None = None,
        colour: str = "wavelet",
        strength: float = 1.0,
        output_type: str = "pil",
        return_dict: bool = True,
    ) -> ImagePipelineOutput | tuple[Any]:
        """Restores one image or several.

        Args:
            image: Pillow images of any size, or a tensor `[b, 3, h, w]` in [0, 1].
            tile: Side of the tiles in input pixels; 0 for whole images; None to choose by size.
            colour: `wavelet` gives the result the low frequencies of the input; `none` does not.
            strength: From 0, the enlarged input, to 1, the full restoration.
            output_type: `pil` for Pillow images, which keep transparency and greyscale; `pt` for a
                list of tensors `[3, H, W]` in [0, 1].
            return_dict: Whether to return an object with `images`, or else a tuple.
        """
        if colour not in ("wavelet", "none") or output_type not in ("pil", "pt"):
            raise ValueError("colour is wavelet or none, and output_type pil or pt.")
        if not 0 <= strength <= 1 or (tile is not None and tile < 0):
            raise ValueError("strength is from 0 to 1, and tile 0 or more.")
        given = [image] if isinstance(image, Image.Image) else list(image)
        channels = [_channels(each) for each in given]
        treated = [self._treated(_rgb(each), tile, colour, strength) for each in channels]
        images: list[Any] = [each[0] for each in treated]
        if output_type == "pil":
            images = [_pillow(*each) for each in zip(images, channels, given, strict=True)]
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images) if return_dict else (images,)

    def _treated(self, lr: Tensor, tile: int | None, colour: str, strength: float) -> Tensor:
        """Restores `[1, 3, h, w]` in tiles, matches colours and weakens the effect."""
        sr = self._in_tiles(lr, tile)
        enlarged = _resized(lr, sr.shape[-2:])
        if colour == "wavelet":
            sr = (sr + _low_frequencies(enlarged - sr)).clamp(0, 1)
        return torch.lerp(enlarged.clamp(0, 1), sr, strength) if strength < 1 else sr

    def _in_tiles(self, lr: Tensor, tile: int | None) -> Tensor:
        """Blends tiles over the middle half of their overlap."""
        height, width = lr.shape[-2:]
        if tile is None:
            suiting = 192 if self._execution_device.type == "cpu" else 512
            tile = 0 if height * width <= _WHOLE_PIXELS else suiting
        side, scale = tile or max(height, width), self.config.scale
        windows = [list(_windows(size, side, min(_OVERLAP, side // 4))) for size in (height, width)]
        whole = lr.new_zeros(*lr.shape[:2], height * scale, width * scale)
        with self.progress_bar(total=math.prod(map(len, windows))) as progress:
            for y, x in product(*windows):
                sr = self._restored(lr[..., y.start : y.stop, x.start : x.stop]).to(lr)
                sr *= y.weights(scale)[:, None] * x.weights(scale)
                rows, columns = (slice(w.start * scale, w.stop * scale) for w in (y, x))
                whole[..., rows, columns] += sr
                progress.update()
        return whole

    def _restored(self, lr: Tensor) -> Tensor:
        """Restores `[1, 3, h, w]` at once."""
        config, device = self.config, self._execution_device
        height, width = lr.shape[-2:]
        more = [-side % self._multiple() for side in (width, height)]
        lr = F.pad(lr.to(device), (0, more[0], 0, more[1]), mode="replicate")
        sides = [config.scale * side for side in lr.shape[-2:]]
        z_l = self._encoded(_resized(lr, sides))
        dtype = self.unet.dtype
        conditioning = self.condition.to(device)(len(lr), dtype)
        noise = self.unet(z_l.to(dtype), config.timestep, **conditioning).sample
        signal = self.scheduler.alphas_cumprod.double()[config.timestep]
        z_h = (z_l - (1 - signal).sqrt() * noise.float()) / signal.sqrt()
        latent = (z_h / self.vae.config.scaling_factor).to(self.vae.dtype)
        image: Tensor = (self.vae.decode(latent).sample.float() + 1) / 2
        return image[..., : config.scale * height, : config.scale * width].clamp(0, 1)

    def _multiple(self) -> int:
        """What the input's sides must be multiples of, so that VAE and UNet can halve them."""
        halvings = [len(net.config.block_out_channels) - 1 for net in (self.vae, self.unet)]
        return max(1, int(2 ** sum(halvings)) // int(self.config.scale))

    def _encoded(self, image: Tensor) -> Tensor:
        """Encodes an image in [0, 1] to scaled latents, in float32."""
        if self.vae.dtype == torch.float16 and self.vae.config.force_upcast:
            self.vae.to(torch.float32)  # it would overflow
        posterior = self.vae.encode((2 * image - 1).to(self.vae.dtype)).latent_dist
        latent: Tensor = posterior.mode().float()
        if self.config.posterior == "sample":
            seed = zlib.crc32(image[0].float().cpu().contiguous().numpy().data)
            rng = torch.Generator().manual_seed(seed)
            noise = torch.randn(latent.shape[1:], generator=rng)
            latent = latent + posterior.std.float() * noise.to(latent)
        return latent * float(self.vae.config.scaling_factor)


class _Window(NamedTuple):
    """A tile's interval along a side; it fades in around `rise` and out around `fall`."""

    start: int
    stop: int
    rise: float
    fall: float
    ramp: float

    def weights(self, scale: int) -> Tensor:
        """Returns its weight at each pixel of the result; those of all windows sum to 1."""
        positions = (torch.arange(self.start * scale, self.stop * scale) + 0.5).double() / scale
        rising, falling = (self._fade(positions, each) for each in (self.rise, self.fall))
        return (rising * (1 - falling)).float()

    def _fade(self, positions: Tensor, centre: float) -> Tensor:
        if math.isinf(centre):
            return torch.full_like(positions, float(centre < 0))
        if not self.ramp:
            return (positions >= centre).to(positions)
        phase = ((positions - centre) / self.ramp).clamp(-1, 1) + 1
        return 0.5 - 0.5 * torch.cos(phase * (math.pi / 2))


def _windows(size: int, tile: int, overlap: int) -> Iterator[_Window]:
    """Yields as few evenly spaced windows as cover `size` pixels."""
    count = 1 if size <= tile else math.ceil((size - overlap) / (tile - overlap))
    tile = min(tile, size)
    starts = [round(index * (size - tile) / max(1, count - 1)) for index in range(count)]
    centres = [(left + tile + right) / 2 for left, right in pairwise(starts)]
    for start, (rise, fall) in zip(starts, pairwise([-math.inf, *centres, math.inf]), strict=True):
        yield _Window(start, start + tile, rise, fall, overlap / 4)


def _resized(image: Tensor, size: Any) -> Tensor:
    """Resizes `[b, c, h, w]` by Keys' cubic kernel, as MATLAB does."""
    return F.interpolate(image, tuple(size), mode="bicubic", antialias=True)


def _low_frequencies(image: Tensor) -> Tensor:
    """Returns the residual of the à trous wavelet, smoothed by dilated kernels [1 2 1] / 4."""
    for hole in (2**level for level in range(_LEVELS)):
        rows = F.pad(image, (0, 0, hole, hole), mode="replicate")
        image = ((rows[..., : -2 * hole, :] + rows[..., 2 * hole :, :]) / 2 + image) / 2
        columns = F.pad(image, (hole, hole, 0, 0), mode="replicate")
        image = ((columns[..., : -2 * hole] + columns[..., 2 * hole :]) / 2 + image) / 2
    return image


def _channels(image: Image.Image | Tensor) -> Tensor:
    """Converts an image to `[c, h, w]` in [0, 1]: grey or RGB, and perhaps alpha."""
    if isinstance(image, Tensor):
        return image.float().cpu()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        return torch.from_numpy(np.array(image).astype(np.float32) / 65535)[None]
    if image.mode not in ("L", "LA", "RGB", "RGBA"):
        coloured = "RGBA" if image.has_transparency_data else "RGB"
        image = image.convert("L" if image.mode == "1" else coloured)
    pixels = np.array(image, np.float32).reshape(image.height, image.width, -1)
    return torch.from_numpy(pixels).movedim(-1, 0).contiguous() / 255


def _rgb(channels: Tensor) -> Tensor:
    colours = channels[:3] if len(channels) > 2 else channels[:1]
    return colours.expand(3, -1, -1)[None].contiguous()


def _pillow(rgb: Tensor, channels: Tensor, given: Image.Image | Tensor) -> Image.Image:
    """Makes a Pillow image with the channels and the colour profile of the one given."""
    parts = [rgb if len(channels) > 2 else rgb.mean(0, keepdim=True)]
    if len(channels) in (2, 4):
        parts.append(_resized(channels[None, -1:], rgb.shape[-2:])[0].clamp(0, 1))
    pixels = (torch.cat(parts) * 255).round().byte().movedim(0, -1).numpy()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    if isinstance(given, Image.Image) and given.info.get("icc_profile"):
        image.info["icc_profile"] = given.info["icc_profile"]
    return image


def _of_base(model: Any, part: str, base: str | None, dtype: torch.dtype) -> Any:
    if base is None or (not Path(base).is_dir() and "/" not in base):
        raise ValueError(
            f"This folder holds a LoRA for {base}: pass base=FOLDER, the folder that contains its "
            "unet/ and vae/."
        )
    # Cast afterwards, as versions of diffusers differ in what the argument for that is called.
    return nn.Module.to(model.from_pretrained(base, subfolder=part), dtype)


def _add_lora(unet: Any, folder: Path) -> None:
    path = next(folder.glob("*.safetensors"), None)
    if path is None:
        raise ValueError(f"There is no LoRA in {folder}: load the whole folder, or pass unet=.")
    lora, alphas, metadata = StableDiffusionLoraLoaderMixin.lora_state_dict(
        str(folder), weight_name=path.name, return_lora_metadata=True
    )
    unet.load_lora_adapter(lora, prefix="unet", network_alphas=alphas, metadata=metadata)
