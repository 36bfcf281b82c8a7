"""Counting of operations while they run: multiply-accumulates, and memory."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Meters all that is done within its block, on any device.

    Attributes:
        macs: Multiply-accumulates of all products of matrices.
        live: Bytes of tensors that were made within the block and are still used.
        peak: The most that `live` was.

    Example:
        >>> layer = torch.nn.Linear(3, 5)
        >>> with Meter() as meter, torch.no_grad():
        ...     kept = layer(torch.zeros(2, 3))
        >>> meter.macs, meter.live, meter.peak
        (30, 40, 64)
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.macs = self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        operation = func._overloadpacket  # noqa: SLF001 - what PyTorch's own registry is keyed by
        counted = flop_registry.get(operation)
        if counted is None and torch.is_inference_mode_enabled():
            # There operations arrive whole; what they are made of is metered.
            with self:
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        self._follow(args, new=False)  # what was there before may come out as a view
        out = func(*args, **kwargs)
        self._follow(out, new=True)
        if counted is not None:
            self.macs += counted(*args, **kwargs, out_val=out) // 2
        return out

    def _follow(self, values: Any, *, new: bool) -> None:
        for tensor in _tensors(values):
            # A storage keeps its Python object as long as anything uses it.
            storage = tensor.untyped_storage()
            if id(storage) not in self._known:
                size = storage.nbytes() if new else 0
                self._known.add(id(storage))
                weakref.finalize(storage, self._forget, id(storage), size)
                self.live += size
                self.peak = max(self.peak, self.live)

    def _forget(self, storage: int, size: int) -> None:
        self._known.discard(storage)
        self.live -= size


def _tensors(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)
