"""The contracts between the core and its plugins. Open this file first.

Shapes are written with these letters: `b` batch, `h w` height and width in pixels, `f` image pixels
per latent pixel (the backbone's `factor`), `c` latent channels, `d` text width.

- Images: RGB, `[b, 3, h, w]`, float, in [0, 1].
- Latents: `[b, c, h/f, w/f]`, already scaled to about unit variance.
- Text: `[b, 77, d]`.

An object fits an interface if it has the members; a plugin need not inherit from anything. Optional
members are in `toolkit.abilities`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from toolkit.prediction import Prediction as Prediction  # noqa: PLC0414 - part of the contracts

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from torch import Tensor, nn


class Backbone(Protocol):
    """A pretrained latent diffusion model, loaded in parts and only when asked.

    If its component has an option `precision` (the dtype of frozen weights) or `checkpointing`
    (gradient checkpointing), `toolkit train --plan` tries their values.
    """

    @property
    def name(self) -> str:
        """Its name, for messages and results."""

    @property
    def fingerprint(self) -> str:
        """Identity of the weights; checkpoints of another backbone are refused."""

    @property
    def factor(self) -> int:
        """Image pixels per latent pixel along each side."""

    @property
    def latent_channels(self) -> int:
        """Channels of a latent, `c`."""

    @property
    def latent_scaling(self) -> float:
        """Factor that scales the VAE's latents to about unit variance."""

    @property
    def text_tokens(self) -> int:
        """Number of text embeddings that condition the UNet."""

    @property
    def text_width(self) -> int:
        """Width of a text embedding, `d`."""

    @property
    def lora_layers(self) -> Mapping[str, tuple[str, ...]]:
        """Named lists of UNet layers for LoRA, given by the ends of their module paths.

        Contains at least one list; the first is the default.
        """

    def vae(self) -> Any:
        """Returns the frozen autoencoder (diffusers' `AutoencoderKL`); images in [-1, 1]."""

    def unet(self, *, shared: bool = False) -> Any:
        """Returns the frozen noise predictor (diffusers' `UNet2DConditionModel`) as a new module.

        With `shared`, several modules may share one set of frozen weights, which must not be
        changed.
        """

    def condition(self) -> nn.Module:
        """Returns new learnable embeddings in place of a prompt.

        Called with a batch size and a dtype, the module returns the UNet's keyword arguments in
        that dtype.
        """

    def alphas_cumprod(self) -> Tensor:
        """Returns the schedule's ᾱ, `[1000]`, float64, in order of increasing noise."""

    def add_lora(
        self, module: nn.Module, rank: int, alpha: float, layers: str
    ) -> dict[str, nn.Parameter]:
        """Adds LoRA to the UNet, or a part of it, in place; returns the new parameters by name."""

    def merge_lora(self, module: nn.Module) -> None:
        """Merges LoRA into the weights of its layers, in place."""


class Trainable(Protocol):
    """The members that optimiser and checkpoints need."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """Returns the parameters to optimise, by name; empty if there are none."""

    def state(self) -> dict[str, Tensor]:
        """Returns everything that exact resuming needs: trained weights and adaptive schedules."""

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restores what `state` returned; raises `CheckpointError` if a name is missing."""

    def to(self, device: torch.device) -> object:
        """Moves everything to a device, in place."""


class Generator(Trainable, Protocol):
    """Predicts HR images from LR images, with gradients to its trainable parameters."""

    @property
    def scale(self) -> int:
        """SR pixels per LR pixel along each side."""

    @property
    def multiple(self) -> int:
        """LR sides are padded to a multiple of this number of pixels."""

    @property
    def fingerprint(self) -> str:
        """Identity of its frozen weights."""

    def predict(self, lr: Tensor) -> Prediction:
        """Restores `lr`, `[b, 3, h, w]`, whose sides are multiples of `multiple`."""

    def encode(self, hr: Tensor) -> Tensor:
        """Encodes real images, `[b, 3, h, w]`, to `[b, c, h/f, w/f]`, without gradients."""

    def as_restorer(self) -> Restorer:
        """Returns its network as a restorer; the generator cannot be used afterwards."""


class Discriminator(Trainable, Protocol):
    """Distinguishes real from fake, region by region.

    The adversarial losses (eqs. 2 and 3) are the core's.
    """

    @property
    def judges(self) -> Literal["latents", "images", "nothing"]:
        """The input of `logits`; with "nothing", training has no adversarial loss."""

    @property
    def shared_draws(self) -> bool:
        """Whether real and fake samples of a step get the same random draws."""

    def logits(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Returns the logits that regions of `x` are real, `[b, 1, regions...]`.

        All noise is drawn from `rng`. A draw whose first dimension is `b` gives each image values
        of its own, the same however a batch is divided; what all images share is drawn in a shape
        without that dimension.
        """

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Called with the logits of every discriminator step, for adaptive schedules."""


class PerceptualLoss(Protocol):
    """Distance of a prediction to its target, `[b]`.

    It is given float32, outside autocast, and returns float32 whatever `train.precision` says.
    """

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Returns the distance of each image, `[b]`, with gradients to `prediction`."""

    def to(self, device: torch.device) -> object:
        """Moves its networks to a device."""


class Degradation(Protocol):
    """Makes LR images from HR images; its random stream decides everything random."""

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel along each side."""

    def __call__(self, hr: Tensor, rng: np.random.Generator) -> Tensor:
        """Degrades `[3, h, w]` to `[3, h/scale, w/scale]`, in [0, 1].

        h and w are multiples of the scale.
        """

    def target(self, hr: Tensor) -> Tensor:
        """Returns the training target, `[3, h, w]`: `hr`, or a sharpened version of it."""


class Sample(NamedTuple):
    """One item of a dataset; single images, `[3, h, w]`."""

    name: str
    hr: Tensor
    """Empty, `[3, 0, 0]`, if an LR image has no original."""
    lr: Tensor | None = None
    """Set by datasets of recorded LR/HR pairs."""


class Dataset(Protocol):
    """Named photographs. If reading one raises `ImageError`, the others remain usable."""

    @property
    def name(self) -> str:
        """Its name, for messages and results."""

    @property
    def skipped(self) -> tuple[tuple[str, str], ...]:
        """Files that were set aside: (name, reason)."""

    def __len__(self) -> int:
        """The number of photographs."""

    def __getitem__(self, index: int) -> Sample:
        """Reads a whole photograph."""


class Metric(Protocol):
    """Scores each image."""

    @property
    def direction(self) -> Literal["higher", "lower"]:
        """Which scores are better."""

    @property
    def needs_reference(self) -> bool:
        """Whether it needs the HR image."""

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Everything that scores depend on: library, version, SHA-256 of weights, protocol."""

    def __call__(self, sr: Tensor, hr: Tensor | None = None) -> Tensor:
        """Returns the scores, `[b]`, of whole images, `[b, 3, h, w]`."""


class Restorer(Protocol):
    """Enlarges images: a trained run, or any other system."""

    @property
    def name(self) -> str:
        """Its name, for messages and results."""

    @property
    def scale(self) -> int:
        """SR pixels per LR pixel along each side."""

    def __call__(self, lr: Tensor) -> Tensor:
        """Restores `[b, 3, h, w]` of any size to `[b, 3, scale·h, scale·w]`, in [0, 1]."""

    def to(self, device: torch.device) -> object:
        """Moves its networks to a device."""


class Tracker(Protocol):
    """Shows or stores the progress of a run elsewhere, such as in TensorBoard.

    It is turned off, with a warning, as soon as a method raises: training goes on.
    """

    def begin(self, folder: Path, recipe: Mapping[str, Any], step: int) -> None:
        """Called once, at the start or when a run is resumed.

        Args:
            folder: The run's folder, the same when it is resumed; the tracker may write into it.
            recipe: The run's recipe, as JSON's types.
            step: Number of steps done; 0 for a new run. A run that was killed may have tracked
                later steps already, which are repeated.
        """

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Records values by name, such as losses, after `step` steps."""

    def image(self, step: int, name: str, path: Path) -> None:
        """Records an image file, such as a sheet of samples, after `step` steps."""

    def end(self, state: Literal["finished", "stopped", "failed"]) -> None:
        """Called once, after `begin`; returns when everything is recorded.

        A run that was stopped may be resumed.
        """
