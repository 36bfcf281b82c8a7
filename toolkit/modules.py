"""A base class for parts of a training that are ordinary `nn.Module`s."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from toolkit.checkpoints import load_tensors


class TrainableModule(nn.Module):
    """An `nn.Module` that fits `Trainable`: all of its parameters are trained and saved.

    A discriminator that derives from it adds `judges`, `shared_draws`, `logits` and, if it learns
    from verdicts, `observe`. One whose parameters are partly frozen overrides `trainable`.
    """

    shared_draws = False

    def trainable(self) -> dict[str, nn.Parameter]:
        """All parameters, by name."""
        return dict(self.named_parameters())

    def state(self) -> dict[str, Tensor]:
        """All parameters and buffers, detached, by name."""
        return {name: tensor.detach() for name, tensor in self.state_dict().items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Takes over what `state` returned.

        Raises:
            CheckpointError: A name is missing, unknown, or of another shape.
        """
        load_tensors(self.state(), state, type(self).__name__)

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Learns nothing from verdicts."""

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The module itself, so that its parameters, memory and work are counted."""
        return {type(self).__name__.lower(): self}
