"""Inference with a trained one-step generator, on images of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.plugin import bicubic_resize
from toolkit_generators.folding import FoldedUNet, is_foldable
from toolkit_generators.winograd_layers import use_winograd

if TYPE_CHECKING:
    from toolkit_generators.model import OneStepModel

Form = Literal["folded", "merged", "unmerged"]
FORMS: tuple[Form, ...] = ("unmerged", "merged", "folded")


class OneStepRestorer:
    """A one-step generator as a `Restorer`.

    Args:
        generator: Trained generator; must not be used afterwards.
        form: "unmerged": the network as trained. "merged": with LoRA merged into the weights.
            "folded": also with the constants of timestep and condition precomputed, and with
            Winograd's algorithm for wide convolutions on a CPU. All give the same images.
    """

    name = "one-step"

    def __init__(self, generator: OneStepModel, form: Form) -> None:
        self.scale, self._multiple = generator.scale, generator.multiple
        self._generator = generator
        self._folded: FoldedUNet | None = None
        if form == "unmerged":
            return
        generator.backbone.merge_lora(generator.unet)
        if form == "folded":
            use_winograd(generator.vae)
            if is_foldable(generator.unet):
                conditioning = generator.condition(1, generator.unet.conv_in.weight.dtype)
                self._folded = FoldedUNet(generator.unet, generator.timestep, conditioning)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks in use, by name."""
        if self._folded:
            return {"vae": self._generator.vae, "unet": self._folded}
        return self._generator.networks

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """Restores images `[b, 3, h, w]` of any size; returns `[b, 3, 4h, 4w]`, in [0, 1]."""
        height, width = lr.shape[-2:]
        multiple, generator = self._multiple, self._generator
        padded = F.pad(lr, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        z_l = generator.encode(bicubic_resize(padded, self.scale))
        noise = self._folded(z_l) if self._folded else generator.noise(z_l)
        image = generator.decode(generator.one_step(z_l, noise))
        return image[..., : self.scale * height, : self.scale * width].clamp(0, 1)

    def to(self, device: torch.device) -> Self:
        """Moves the networks to a device."""
        for network in self.networks.values():
            network.to(device)
        return self
