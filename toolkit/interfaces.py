"""The contracts between the core and its plugins. Open this file first.

Shapes are written with these letters: `b` batch, `h w` height and width in pixels, `f` image pixels
per latent pixel (the backbone's `factor`), `c` latent channels, `d` text width.

- Images: RGB, `[b, 3, h, w]`, float, in [0, 1].
- Latents: `[b, c, h/f, w/f]`, already scaled to about unit variance.
- Text: `[b, 77, d]`.

A plugin needs to inherit from nothing here: an object fits when it has the members.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

from toolkit.prediction import Prediction as Prediction  # noqa: PLC0414 - part of the contracts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn


class Backbone(Protocol):
    """A pretrained latent diffusion model, loaded in parts and only when asked.

    Its component may have an option `precision`, what frozen weights are held in, and one
    `checkpointing`: `toolkit train --plan` then tries both.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of the weights: a checkpoint made on another backbone is refused by it."""
        ...

    @property
    def factor(self) -> int:
        """Image pixels per latent pixel, on a side."""
        ...

    @property
    def latent_channels(self) -> int:
        """Channels of a latent, `c`."""
        ...

    @property
    def latent_scaling(self) -> float:
        """What the VAE's own latents are multiplied by to have about unit variance."""
        ...

    @property
    def text_tokens(self) -> int:
        """How many text embeddings condition the UNet."""
        ...

    @property
    def text_width(self) -> int:
        """Width of a text embedding, `d`."""
        ...

    @property
    def lora_layers(self) -> Mapping[str, tuple[str, ...]]:
        """Named lists of the UNet's layers that take LoRA, by the ends of their module paths.

        At least one; the first is what is taken where none is asked for.
        """
        ...

    def vae(self) -> Any:
        """The autoencoder (diffusers' `AutoencoderKL`), frozen; images in [-1, 1]."""
        ...

    def unet(self, *, shared: bool = False) -> Any:
        """The noise predictor (diffusers' `UNet2DConditionModel`), frozen, in layers of its own.

        With `shared`, one set of frozen weights may serve all who ask so; none may change it.
        """
        ...

    def condition(self) -> nn.Module:
        """Fresh learnable embeddings in place of a prompt.

        Called with a batch size and a dtype, always both, it gives the UNet's keyword arguments,
        of that dtype.
        """
        ...

    def alphas_cumprod(self) -> Tensor:
        """The schedule's ᾱ, `[1000]`, float64, from the least noise to the most."""
        ...

    def add_lora(
        self, module: nn.Module, rank: int, alpha: float, layers: str
    ) -> dict[str, nn.Parameter]:
        """Adds LoRA to the UNet, or to a part of it, in place; gives the new parameters by name."""
        ...

    def merge_lora(self, module: nn.Module) -> None:
        """Turns layers with LoRA into plain ones that do the same, in place."""
        ...


class Trainable(Protocol):
    """What optimiser and checkpoint need to know of a part; its `networks`, if named, count."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """The parameters to optimise, by name; empty if there are none."""
        ...

    def state(self) -> dict[str, Tensor]:
        """All that a checkpoint must hold to go on exactly: trained weights and any schedule."""
        ...

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned; raises `CheckpointError` on any missing name."""
        ...

    def to(self, device: torch.device) -> object:
        """Moves everything to a device."""
        ...


class Generator(Trainable, Protocol):
    """LR batch to prediction, with gradients to its trainable parameters."""

    @property
    def scale(self) -> int:
        """SR pixels per LR pixel, on a side."""
        ...

    @property
    def multiple(self) -> int:
        """LR sides are padded to a multiple of this many pixels before they enter."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of the frozen weights it builds on."""
        ...

    def predict(self, lr: Tensor) -> Prediction:
        """Restores `lr`, `[b, 3, h, w]`, its sides multiples of `multiple`."""
        ...

    def encode(self, hr: Tensor) -> Tensor:
        """Latents of real images, `[b, 3, h, w]` to `[b, c, h/f, w/f]`, without gradients."""
        ...

    def as_restorer(self) -> Restorer:
        """Hands the network over, ready for inference; the generator is used up by it."""
        ...


@runtime_checkable
class Exportable(Protocol):
    """What a generator may also offer: its trained weights as files for other programs."""

    def export(self, folder: Path, form: str, keys: str, base: str) -> str:
        """Writes them; gives a model card's text, with code for `base` and the files."""
        ...


class Discriminator(Trainable, Protocol):
    """Judges real from fake, region by region. The adversarial objective is the core's.

    May offer `autocast`, as a loss may.
    """

    @property
    def judges(self) -> Literal["latents", "images", "nothing"]:
        """What `logits` takes; with "nothing", training has no adversarial term."""
        ...

    @property
    def shared_draws(self) -> bool:
        """Whether real and fake of one step are judged under the same random draws."""
        ...

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Logits that each region of `x` is real, `[b, 1, regions...]`; `rng` decides all noise."""
        ...

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Called after every discriminator step; adaptive schedules learn here."""
        ...


class PerceptualLoss(Protocol):
    """Distance of a prediction to its target, `[b]`.

    It is given float32, outside autocast, and gives float32 whatever `train.precision` says. It may
    offer:

    - `autocast`: true to be called within autocast, for its networks to take that precision. What
      it gives stays float32, and its gradients close to those in float32.
    - `prepare(target)`: what it returns stands for the target in later calls, so that a target's
      features are computed once.
    - `frozen_bytes(like)`: what its networks take.
    """

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Distance for each image of the batch, `[b]`, with gradients to `prediction`."""
        ...

    def to(self, device: torch.device) -> object:
        """Moves the frozen features to a device."""
        ...


class Degradation(Protocol):
    """Makes LR of HR, as the random stream alone decides; may offer `Replayable`'s, `recorded`."""

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel, on a side."""
        ...

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> Tensor:
        """`[3, h, w]` to `[3, h/scale, w/scale]`, in [0, 1]; h and w multiples of the scale."""
        ...

    def target(self, hr: Tensor) -> Tensor:
        """The image to train against, `[3, h, w]`: `hr` itself, or a sharpened one."""
        ...


class Sample(NamedTuple):
    """One item of a dataset; single images, `[3, h, w]`."""

    name: str
    hr: Tensor
    """Empty, `[3, 0, 0]`, where nobody has the original of an LR image."""
    lr: Tensor | None = None
    """Given by datasets of recorded pairs, for the degradation `recorded`."""


class Dataset(Protocol):
    """Named photographs. Reading one may raise `ImageError`; the rest stay usable.

    One that lies on a disk may also have `files`, a mapping of names to paths: a run then knows
    whether it is resumed on the same.
    """

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files that were found and set aside: (name, reason)."""
        ...

    def __len__(self) -> int:
        """How many photographs there are."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Reads one, whole."""
        ...


class Metric(Protocol):
    """A figure for each image."""

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Which is better."""
        ...

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with an HR image."""
        ...

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """What the figure depends on: library, version, weights' SHA-256, protocol."""
        ...

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Scores `[b, 3, h, w]`, whole images, as `[b]`."""
        ...


class Restorer(Protocol):
    """LR image in, SR image out: a trained run, or any other system."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def scale(self) -> int:
        """SR pixels per LR pixel, on a side."""
        ...

    def __call__(self, lr: Tensor) -> Tensor:
        """`[b, 3, h, w]` of any size to `[b, 3, scale·h, scale·w]`, in [0, 1]."""
        ...

    def to(self, device: torch.device) -> object:
        """Moves the network to a device."""
        ...
