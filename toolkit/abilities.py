"""What a plugin's object may offer beside its contract: the core asks by `isinstance`.

Each ability is a protocol of one or a few members; an object has it by having them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import Tensor, nn

    from toolkit.interfaces import Restorer, Sample

Steps = Sequence[Mapping[str, Any]]
"""What was done to an image, in order, as JSON's types."""


@runtime_checkable
class HasNetworks(Protocol):
    """A generator, discriminator or restorer whose parameters, memory and work can be counted."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """All networks that take part in its work, by name."""
        ...


@runtime_checkable
class HasForms(Protocol):
    """A generator that becomes a restorer in several ways, which differ in speed alone."""

    @property
    def forms(self) -> tuple[str, ...]:
        """Their names, as `as_restorer` takes them."""
        ...

    def as_restorer(self, form: str) -> Restorer:
        """Hands the network over in one of these forms."""
        ...


@runtime_checkable
class AvoidsTiles(Protocol):
    """A restorer whose network looks at the whole image, so that tiles may show in the result."""

    @property
    def avoids_tiles(self) -> bool:
        """Whether whole images are better; memory may still force tiles."""
        ...


@runtime_checkable
class HasFingerprint(Protocol):
    """A restorer that says what decides its results beside its weights."""

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Settings by name, with defaults, such as steps, prompt and seed."""
        ...


@runtime_checkable
class Stepwise(Protocol):
    """A restorer that takes a number of equal steps; its costs are counted from two of them."""

    @property
    def steps(self) -> int:
        """How many there are."""
        ...

    def with_steps(self, steps: int) -> Restorer:
        """The same networks with another number of steps."""
        ...


@runtime_checkable
class TilesItself(Protocol):
    """A restorer that works in tiles of its own: by default it is given whole images."""

    @property
    def tiles_itself(self) -> bool:
        """True."""
        ...


@runtime_checkable
class MatchesColours(Protocol):
    """A restorer that matches the colours of its results to the LR image by itself."""

    @property
    def matches_colours(self) -> bool:
        """True."""
        ...


@runtime_checkable
class HasStrength(Protocol):
    """A restorer with a dial of its own for how much it changes an image."""

    def with_strength(self, strength: float) -> Restorer:
        """The same networks with less effect.

        Args:
            strength: From 0, which changes as little as possible, to 1, the full effect.
        """
        ...


@runtime_checkable
class Exportable(Protocol):
    """A generator whose trained weights can be written as files for other programs."""

    def export(self, folder: Path, form: str, keys: str, base: str) -> str:
        """Writes them; returns a model card's text, with code for `base` and the files."""
        ...


@runtime_checkable
class Traceable(Protocol):
    """A restorer that is one network, whose graph other runtimes can execute."""

    def network(self) -> nn.Module:
        """A module from LR, `[b, 3, h, w]` in [0, 1], to SR, `[b, 3, scale * h, scale * w]`.

        It takes any size, padding what needs padding, and makes no decision by the values or, in
        Python, by the size: `torch.export` traces it. It shares its weights with the restorer.

        Raises:
            ToolkitError: This restorer, with its options, cannot be a graph; says why.
        """
        ...


@runtime_checkable
class HasFeatureMaps(Protocol):
    """A perceptual loss that shows the feature maps which it compares."""

    def feature_maps(self, image: Tensor) -> Mapping[str, Sequence[Tensor]]:
        """Returns maps from fine to coarse, by what they are of: "image", "edges".

        Args:
            image: `[b, 3, h, w]`, in [0, 1].

        Returns:
            `[b, channels, h / 2^i, w / 2^i]` for each stage i of the network.
        """
        ...


@runtime_checkable
class HasTrunkFeatures(Protocol):
    """A discriminator of latents that shows the features which its head judges."""

    def trunk_features(self, x: Tensor, t: int, rng: torch.Generator) -> Tensor:
        """Returns features of latents that are noised to one timestep.

        Args:
            x: Scaled latents, `[b, c, h, w]`.
            t: The timestep, from 0 to 999.
            rng: Draws the noise.

        Returns:
            `[b, width, h / 2^n, w / 2^n]`.
        """
        ...


@runtime_checkable
class UsesAutocast(Protocol):
    """A loss or discriminator that may be called within autocast.

    Its networks then compute in that precision. What it returns is float32 all the same, and its
    gradients are close to those in float32. Parts without this ability are called outside autocast.
    """

    @property
    def autocast(self) -> bool:
        """True."""
        ...


@runtime_checkable
class JudgesBoth(Protocol):
    """A discriminator that judges fake and real samples of a step as one batch, which is faster."""

    def logits_of_both(
        self, fake: Tensor, real: Tensor, fake_rng: torch.Generator, real_rng: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Returns `logits(fake, fake_rng)` and `logits(real, real_rng)`."""
        ...


@runtime_checkable
class HasFrozenWeights(Protocol):
    """A loss whose networks count in a training's memory."""

    def frozen_bytes(self, like: Tensor) -> int:
        """Bytes of its networks on the device and in the precision of `like`."""
        ...


@runtime_checkable
class Recorded(Protocol):
    """A degradation that makes nothing: the dataset has LR images of its own."""

    @property
    def recorded(self) -> bool:
        """True."""
        ...


@runtime_checkable
class Replayable(Protocol):
    """A degradation that tells what it does, as data, and works on many images at once."""

    def describe(self, seed: int, index: int) -> Steps:
        """What happens to sample `index` of `seed`, whatever the image."""
        ...

    def apply(self, hr: Tensor, history: Steps) -> Tensor:
        """Does to `hr`, `[3, h, w]`, what `describe` returned, perhaps edited since."""
        ...

    def batch(self, hr: Tensor, seed: int, indices: Sequence[int]) -> Tensor:
        """`[b, 3, h, w]` to `[b, 3, h/scale, w/scale]`: to the last bit as one by one."""
        ...


@runtime_checkable
class HasFiles(Protocol):
    """A dataset on a disk: a run knows whether it is resumed on the same files."""

    @property
    def files(self) -> Mapping[str, Path]:
        """The files of its photographs, by name."""
        ...


@runtime_checkable
class Streamed(Protocol):
    """A dataset too large to be listed, which decides the order of training by itself."""

    def draw(self, seed: int, number: int, attempt: int) -> Sample:
        """Returns the photograph of sample `number` of a run with `seed`.

        A pure function: other processes and resumed runs ask again, in any order. `attempt` counts
        from 0, the first choice; each further one should be another photograph, as those before
        could not be used. Names identify photographs.

        Raises:
            ImageError: The photograph cannot be read; the next attempt is asked for.
        """
        ...


@runtime_checkable
class HasPublishedCount(Protocol):
    """A dataset that others publish: `toolkit data check` tells whether it is whole."""

    @property
    def published_count(self) -> int:
        """How many photographs the whole dataset has."""
        ...


def networks_of(part: object) -> Mapping[str, nn.Module]:
    """The networks of a part; none of one that does not name them."""
    return part.networks if isinstance(part, HasNetworks) else {}


def avoids_tiles(restorer: object) -> bool:
    """Whether tiles may show in a restorer's results."""
    return isinstance(restorer, AvoidsTiles) and restorer.avoids_tiles


def fingerprint_of(restorer: object) -> dict[str, str]:
    """What a restorer says about its settings; empty if nothing."""
    found = restorer.fingerprint if isinstance(restorer, HasFingerprint) else {}
    # A plugin may use the name for something else.
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, Mapping) else {}


def tiles_itself(restorer: object) -> bool:
    """Whether a restorer works in tiles of its own."""
    return isinstance(restorer, TilesItself) and restorer.tiles_itself


def matches_colours(restorer: object) -> bool:
    """Whether a restorer matches colours by itself."""
    return isinstance(restorer, MatchesColours) and restorer.matches_colours


def is_recorded(degradation: object) -> bool:
    """Whether a degradation leaves LR images to the dataset."""
    return isinstance(degradation, Recorded) and degradation.recorded
