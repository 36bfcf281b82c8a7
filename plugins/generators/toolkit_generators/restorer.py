"""A trained one-step generator, made ready for whole images of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.images import bicubic_resize
from toolkit_generators.folding import FoldedUNet, is_foldable
from toolkit_generators.wide import widen

if TYPE_CHECKING:
    from toolkit_generators.one_step import OneStep

Form = Literal["folded", "merged", "unmerged"]
FORMS: tuple[Form, ...] = ("unmerged", "merged", "folded")


class OneStepRestorer:
    """A one-step generator as a `Restorer`.

    Args:
        generator: Trained; used up.
        form: "unmerged": as it was trained. "merged": the LoRA is added to the weights. "folded":
            what one timestep and one condition make constant is computed once, too, and wide
            convolutions are done with fewer multiplications on a processor.
    """

    name = "one-step"

    def __init__(self, generator: OneStep, form: Form) -> None:
        self.scale, self._multiple = generator.scale, generator.multiple
        self._generator = generator
        self._folded: FoldedUNet | None = None
        if form == "unmerged":
            return
        generator.backbone.merge_lora(generator.unet)
        if form == "folded":
            widen(generator.vae)
            if is_foldable(generator.unet):
                told = generator.condition(1, generator.unet.conv_in.weight.dtype)
                self._folded = FoldedUNet(generator.unet, generator.timestep, told)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """All that takes part in restoring, by name."""
        if self._folded:
            return {"vae": self._generator.vae, "unet": self._folded}
        return self._generator.networks

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` of any size to `[b, 3, 4h, 4w]`, in [0, 1]."""
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
