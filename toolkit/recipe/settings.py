"""The sections `objective` and `train` of a recipe."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from toolkit import defaults
from toolkit.component import Options
from toolkit.errors import UsageError
from toolkit.paths import user_path
from toolkit.specs import Selection


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
    """Images per step, over all processes (paper: 16)."""
    accumulate: int = Field(default=1, ge=1)
    """Number of pieces that each process splits its share of a batch into, to save memory; the
    gradient is the same."""
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
    optimizer: Literal["adamw", "adamw-8bit"] = "adamw"
    """`adamw-8bit` (bitsandbytes) keeps AdamW's moments in a quarter of the memory."""
    fused: bool = False
    """Update all weights of a network in one kernel: faster on a GPU; results differ by
    rounding."""
    weight_decay: float = Field(default=1e-2, ge=0)
    """AdamW's weight decay, for both networks; open in the paper."""
    clip: float = Field(default=0.0, ge=0)
    """Largest norm of each network's gradient, to which larger ones are scaled down; 0 for no limit
    (paper: none)."""
    ema: float = Field(default=0.0, ge=0, lt=1)
    """Decay of the exponential moving average of the generator's weights, which is used for
    restoring; 0 for no average (paper: none)."""
    max_skipped_steps: int = Field(default=0, ge=0)
    """Number of steps that may be skipped because a loss or a gradient is not finite, before
    training stops; 0 to stop at the first."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the networks, including those of losses and discriminators that declare
    `autocast`. Weights, distances and all other losses stay float32. `auto`: bfloat16 if the
    processor or GPU is fast in it."""
    tf32: bool = False
    """Multiply float32 matrices in TensorFloat-32 on GPUs that have it: faster, and less
    precise."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, `mps`, `xpu`, or `auto`: an accelerator if there is one."""
    shard: bool = False
    """Shard frozen weights over the GPUs of several processes (FSDP2), which saves memory and takes
    time; for networks such as SDXL's."""
    compile: bool = False
    """Compile the networks with torch.compile: the first steps are slow, and later ones faster on
    most GPUs."""
    channels_last: bool = False
    """Store the networks' weights channels-last, which is faster on most GPUs in half precision."""
    cache_latents: int = Field(default=0, ge=0)
    """Number of HR latents to keep in memory. Useful if crops recur, as when photographs are no
    larger than a crop."""
    degrade_on: Literal["cpu", "device"] = "cpu"
    """Where LR images are made: on the CPU (JPEG by libjpeg), or on the networks' device."""
    prefetch: int = Field(default=2, ge=0)
    """Number of batches prepared in the background for a GPU. Not used on a CPU, where it would
    slow down the steps."""
    workers: int = Field(default=0, ge=0)
    """Number of processes that read and degrade images ahead; 0 for none."""
    max_bad_files: float = Field(default=0.1, ge=0, le=1)
    """Share of the photographs tried that may be unreadable; training stops above it, once 10 of
    at least 20 could not be read."""
    sample_every: int = Field(default=200, ge=0)
    """Steps between sample sheets; 0 for none."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints; the last step always writes one."""
    keep: int = Field(default=2, ge=1)
    """Number of checkpoints to keep."""
    track: tuple[Selection, ...] = ()
    """Trackers that follow the run, such as `tensorboard`; each may have options of its own."""

    @field_validator("track", mode="before")
    @classmethod
    def _one_alone(cls, track: Any) -> Any:
        return [track] if isinstance(track, str) else track

    @field_validator("track")
    @classmethod
    def _each_once(cls, track: tuple[Selection, ...]) -> tuple[Selection, ...]:
        names = [each.name for each in track]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"the tracker {twice!r} is listed twice")
        return track

    validate_every: int = Field(default=0, ge=0)
    """Steps between validations, which score the generator on held-out photographs and keep the
    best checkpoint as `best.safetensors`; 0 for none."""
    validate_on: str = defaults.VALIDATION
    """Dataset to validate on, such as `folder:DIR`. Scores to be published need other photographs
    than those that chose a checkpoint."""
    validate_crop: int = Field(default=256, ge=16)
    """Side in pixels of the HR crop that is scored, one of each photograph."""
    validate_metrics: tuple[str, ...] = defaults.VALIDATION_METRICS
    """Metrics to validate by; the first decides which checkpoint is the best."""
    patience: int = Field(default=0, ge=0)
    """Number of validations without improvement after which training stops early; 0 to train to the
    last step."""

    @field_validator("validate_metrics", mode="before")
    @classmethod
    def _several(cls, names: Any) -> Any:
        return tuple(filter(None, names.split(","))) if isinstance(names, str) else names

    @model_validator(mode="after")
    def _even_pieces(self) -> Self:
        if self.batch % self.accumulate:
            raise ValueError(
                f"a batch of {self.batch} cannot be split into {self.accumulate} equal pieces"
            )
        return self


def share_of_batch(settings: Training, ranks: int) -> int:
    """Returns the number of images of a batch that each process works through.

    Raises:
        UsageError: The batch cannot be shared equally.
    """
    parts = ranks * settings.accumulate
    if settings.batch % parts:
        raise UsageError(
            f"A batch of {settings.batch} cannot be shared by {ranks} processes with "
            f"{settings.accumulate} equal pieces each.",
            f"Take a multiple of {parts}: --batch {-(-settings.batch // parts) * parts}",
        )
    return settings.batch // ranks
