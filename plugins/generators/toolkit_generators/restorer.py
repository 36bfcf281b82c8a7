"""Inference with a trained one-step generator, on images of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from toolkit.plugin import ToolkitError, bicubic_resize
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
        self.scale, self._generator = generator.scale, generator
        folded: FoldedUNet | None = None
        if form != "unmerged":
            generator.backbone.merge_lora(generator.unet)
        if form == "folded":
            use_winograd(generator.vae)
            if is_foldable(generator.unet):
                conditioning = generator.condition(1, generator.unet.conv_in.weight.dtype)
                folded = FoldedUNet(generator.unet, generator.timestep, conditioning)
        self._network = OneStepNetwork(generator, folded)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks in use, by name."""
        return dict(self._network.named_children())

    @torch.inference_mode()
    def __call__(self, lr: Tensor) -> Tensor:
        """Restores images `[b, 3, h, w]` of any size; returns `[b, 3, 4h, 4w]`, in [0, 1]."""
        restored: Tensor = self._network(lr)
        return restored

    def network(self) -> nn.Module:
        """The whole of it as one module; see `toolkit.abilities.Traceable`.

        Raises:
            ToolkitError: It samples from the posterior, by a seed made of the image's bytes.
        """
        if self._generator.posterior == "sample":
            raise ToolkitError(
                "A generator with gen.posterior=sample draws noise by the image itself, which a "
                "graph cannot do.",
                "Use PyTorch, or train with --set gen.posterior=mode.",
            )
        return self._network

    def to(self, device: torch.device) -> Self:
        """Moves the networks to a device."""
        self._network.to(device)
        return self


class OneStepNetwork(nn.Module):
    """Upsampling, VAE and UNet as one module from LR to SR.

    Args:
        generator: Supplies all but a folded UNet.
        folded: Takes the place of the generator's UNet, timestep and condition.
    """

    def __init__(self, generator: OneStepModel, folded: FoldedUNet | None) -> None:
        super().__init__()
        self._generator, self._folded = generator, folded is not None
        self.vae, self.unet = generator.vae, folded or generator.unet
        if not folded:
            self.condition = generator.condition

    def forward(self, lr: Tensor) -> Tensor:
        """Maps `[b, 3, h, w]` of any size to `[b, 3, 4h, 4w]`, in [0, 1]."""
        generator, (height, width) = self._generator, lr.shape[-2:]
        multiple, scale = generator.multiple, generator.scale
        # Traced as products, not remainders, which is faster by far, and without negative
        # numbers, of which graphs round quotients towards zero.
        full = [(side + multiple - 1) // multiple * multiple for side in (height, width)]
        padded = F.pad(lr, (0, full[1] - width, 0, full[0] - height), mode="replicate")
        z_l = generator.encode(bicubic_resize(padded, (scale * full[0], scale * full[1])))
        noise = self.unet(z_l) if self._folded else generator.noise(z_l)
        image = generator.decode(generator.one_step(z_l, noise))
        return image[..., : scale * height, : scale * width].clamp(0, 1)
