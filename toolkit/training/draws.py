"""The random draws of a training step, the same however its batch is divided.

Each image of a batch has a stream of its own. Pieces of a batch, and its shares on several ranks,
therefore get the draws that the undivided batch would get.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from toolkit.streams import torch_stream

_SIZED = (torch.randn, torch.rand)
"""Take their shape as several numbers, too."""
_CHOICES = (torch.multinomial, Tensor.multinomial)


@dataclass(frozen=True)
class Draws:
    """The random streams of some images of a step.

    Attributes:
        seed: Seed of the run.
        step: Counted from 0.
        samples: Numbers of the images among all samples of the run.
        device: Device of the generators. On the meta device, which has none, they are None.
    """

    seed: int
    step: int
    samples: Sequence[int]
    device: torch.device

    def shared(self, purpose: str) -> Any:
        """Returns a generator that is the same for all images of the step."""
        return self._stream("draws of", purpose, self.step)

    @contextmanager
    def for_images(self, purpose: str) -> Iterator[Any]:
        """Yields a generator from which each image of a batch is drawn its own values.

        In the block, a draw by this generator whose first dimension is the batch takes each
        image's values from the image's stream. Other draws are the same for all images.
        """
        rng = self.shared(purpose)
        if rng is None:
            yield rng
            return
        streams = [self._stream("noise of", purpose, number) for number in self.samples]
        with _ByImage(rng, streams):
            yield rng

    def _stream(self, kind: str, purpose: str, counter: int) -> Any:
        if self.device.type == "meta":
            return None
        return torch_stream(self.seed, f"{kind} {purpose}", counter, device=self.device)


class _ByImage(TorchFunctionMode):
    """Replaces draws of a batch by draws of its images."""

    def __init__(self, rng: torch.Generator, streams: Sequence[torch.Generator]) -> None:
        super().__init__()
        self._rng, self._streams = rng, streams

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if kwargs.get("generator") is not self._rng:
            return func(*args, **kwargs)
        if func in _CHOICES:
            return self._choose(func, *args, **kwargs)
        if args and all(isinstance(each, int) for each in args) and func in _SIZED:
            args = (torch.Size(args),)  # torch.randn(2, 3)
        return self._draw(func, args, kwargs)

    def _draw(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = [*args, *kwargs.values()]
        # Smaller tensors, such as a probability for each channel, are broadcast over the batch.
        ndim = max((each.ndim for each in given if isinstance(each, Tensor)), default=0)
        if not any(self._is_batch(each, ndim) for each in given):
            return func(*args, **kwargs)
        leaf = kwargs.pop("requires_grad", False)
        rows = [
            func(
                *(self._row(each, number, ndim) for each in args),
                **{name: self._row(each, number, ndim) for name, each in kwargs.items()}
                | {"generator": stream},
            )
            for number, stream in enumerate(self._streams)
        ]
        if isinstance(args[0] if args else None, Tensor) and rows[0]._base is not None:  # noqa: SLF001
            return args[0]  # drawn in place, such as by normal_
        if (out := kwargs.get("out")) is not None:
            return out
        drawn = torch.cat(rows)
        return drawn.requires_grad_() if leaf else drawn

    def _choose(
        self,
        func: Callable[..., Any],
        input: Tensor,  # noqa: A002 - its name in PyTorch
        num_samples: int,
        replacement: bool = False,
        **more: Any,
    ) -> Any:
        """Draws by `multinomial`, whose weights may be one row for all images."""
        if input.ndim == 2:
            return self._draw(func, (input, num_samples, replacement), more)
        if num_samples != len(self._streams) or not replacement:
            return func(input, num_samples, replacement, **more)
        return self._draw(func, (input.expand(num_samples, -1), 1, True), more)[:, 0]

    def _is_batch(self, value: Any, ndim: int) -> bool:
        shape = value.shape if isinstance(value, Tensor) else value
        whole = isinstance(shape, (tuple, list)) and len(shape) > 0
        broadcast = isinstance(value, Tensor) and value.ndim < ndim
        return bool(whole and not broadcast and shape[0] == len(self._streams))

    def _row(self, value: Any, number: int, ndim: int) -> Any:
        """Returns one image's part of a batch, or of the shape of one."""
        if not self._is_batch(value, ndim):
            return value
        if isinstance(value, Tensor):
            return value[number : number + 1]
        return (1, *value[1:])
