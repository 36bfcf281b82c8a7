"""The sections `objective` and `train` of a recipe."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit.component import Options
from toolkit.paths import user_path


class Objective(Options):
    """Weights of the losses that do not compare images (eqs. 2, 3 and section 3.4)."""

    latent: float = Field(default=0.0, ge=0)
    """Weight of the mean squared error between the predicted latent and the HR image's (paper:
    none). Without a discriminator and losses between images, nothing is decoded, and a step is
    much cheaper."""
    adversarial: float = Field(default=5e-3, ge=0)
    """λ1, the weight of the generator's adversarial loss; open in the paper."""
    discriminator: float = Field(default=1e-2, ge=0)
    """Weight of the discriminator's loss; open in the paper."""
    first_loss_steps: int = Field(default=0, ge=0)
    """Number of steps with the first loss alone, before the others and the discriminator join in
    (paper: none). Pixel losses make these steps many times cheaper."""


class Training(Options):
    """Length, learning rates, data and hardware; the defaults suit `pocket` on a CPU."""

    steps: int = Field(default=2000, ge=1)
    """Training steps (paper: 100,000)."""
    batch: int = Field(default=4, ge=1)
    """Images per step (paper: 16)."""
    accumulate: int = Field(default=1, ge=1)
    """Number of pieces that a batch is split into to save memory; the gradient is the same."""
    crop: int = Field(default=128, ge=16)
    """Side of the HR crops in pixels (paper: 512)."""
    seed: int = Field(default=0, ge=0)
    """Seed of all randomness."""
    start: str = ""
    """Start from this run's generator: the run's folder, or a restorer such as `pocket`; empty for
    new weights."""

    @field_validator("start")
    @classmethod
    def _from_anywhere(cls, start: str) -> str:
        folder = user_path(start)
        return str(folder.absolute()) if start and (folder / "recipe.toml").is_file() else start

    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the generator (paper, on SD2.1: 5e-5)."""
    disc_lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the discriminator (paper, on SD2.1: 5e-5)."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Schedule of both learning rates: `constant` (paper), or `cosine`: 100 steps of warm-up, then
    down to a hundredth."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's weight decay, for both networks; open in the paper."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the generator's weights, which is used for
    restoring; 0 for no average (paper: none)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the networks, including those of losses and discriminators that declare
    `autocast`. Weights, distances and all other losses stay float32. `auto`: bfloat16 if the
    processor or GPU is fast in it."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, or `auto`: a GPU if there is one."""
    degrade_on: Literal["cpu", "device"] = "cpu"
    """Where LR images are made: on the CPU (JPEG by libjpeg), or on the networks' device."""
    prefetch: int = Field(default=2, ge=0)
    """Number of batches prepared in the background for a GPU. Not used on a CPU, where it would
    slow the steps."""
    sample_every: int = Field(default=200, ge=0)
    """Steps between sample sheets; 0 for none."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints; the last step always writes one."""
    keep: int = Field(default=2, ge=1)
    """Number of checkpoints to keep."""

    @model_validator(mode="after")
    def _even_pieces(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be split into {self.accumulate} equal pieces"
            )
        return self
