"""Settings of a run that are no component's: the losses' weights, and how training goes."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit.component import Options
from toolkit.paths import user_path


class Objective(Options):
    """Weights of the losses (eq. 8 and section 3.4)."""

    pixel: float = Field(default=1.0, ge=0)
    """Of the mean squared error (paper: 1)."""
    latent: float = Field(default=0.0, ge=0)
    """Of the mean squared error between the predicted latent and the HR image's (paper: none).
    With `pixel` 0, `disc` none and no other loss, nothing is decoded and a step is much cheaper."""
    perceptual: float = Field(default=1.0, ge=0)
    """λ2, of the chosen loss; open in the paper."""
    adversarial: float = Field(default=5e-3, ge=0)
    """λ1, of the generator's adversarial loss; open in the paper."""
    further: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Weights of further losses by name, such as `{lattice = 20}` (paper: none)."""
    discriminator: float = Field(default=1e-2, ge=0)
    """Of the discriminator's own loss; open in the paper."""
    pixels_until: int = Field(default=0, ge=0)
    """Steps by the pixels' error alone, many times cheaper, before the other terms join in (paper:
    none)."""

    @model_validator(mode="after")
    def _pixels_count(self) -> Self:
        if self.pixels_until and not self.pixel:
            raise ValueError("pixels_until needs a weight `pixel` above 0")
        return self


class Training(Options):
    """How long, how fast, and on what. The defaults suit `pocket` on a CPU."""

    steps: int = Field(default=2000, ge=1)
    """Training steps (paper: 100,000)."""
    batch: int = Field(default=4, ge=1)
    """Images a step (paper: 16)."""
    accumulate: int = Field(default=1, ge=1)
    """Pieces that a batch is worked through in, one after the other: less memory, the same mean
    gradient."""
    crop: int = Field(default=128, ge=16)
    """Side of the HR crops in pixels (paper: 512)."""
    seed: int = Field(default=0, ge=0)
    """Decides everything random."""
    start: str = ""
    """A run whose generator's weights this one begins with: its folder, or a restorer's name such
    as pocket; nothing for new ones."""

    @field_validator("start")
    @classmethod
    def _from_anywhere(cls, start: str) -> str:
        place = user_path(start)
        return str(place.absolute()) if start and (place / "recipe.toml").is_file() else start

    lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the generator (paper, on SD2.1: 5e-5)."""
    disc_lr: float = Field(default=1e-3, gt=0)
    """Learning rate of the discriminator (paper, on SD2.1: 5e-5)."""
    schedule: Literal["constant", "cosine"] = "constant"
    """Of both rates: as they are, or up within 100 steps, then down to a hundredth along a cosine
    (paper: constant)."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's, for both; open in the paper."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the moving average of the generator's weights, which is then what a run restores
    with; 0 for none (paper: none)."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """What the networks compute in, also those of losses and discriminators that declare
    `autocast`. Weights, distances and every other loss stay float32. auto: bfloat16 where the
    processor or GPU is fast in it."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`; auto takes a GPU where there is one."""
    degrade_on: Literal["cpu", "device"] = "cpu"
    """Where LR is made: on the processor with libjpeg, or where the networks are."""
    prefetch: int = Field(default=2, ge=0)
    """Batches made ahead, in the background, for a GPU; on a CPU that slows the step itself."""
    sample_every: int = Field(default=200, ge=0)
    """Steps between sample images; 0 for none."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints; the last step always has one."""
    keep: int = Field(default=2, ge=1)
    """How many checkpoints are kept, the newest."""

    @model_validator(mode="after")
    def _even_pieces(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be cut into {self.accumulate} equal pieces"
            )
        return self
