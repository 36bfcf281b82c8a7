"""The processes of a training, started by torchrun or `accelerate launch`.

Each process, a rank, works through its share of every batch. Only the gradients of trained
parameters, and a few numbers, are exchanged. A training without a launcher has one rank.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch import distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from toolkit import launcher
from toolkit.devices import choose_device
from toolkit.errors import ToolkitError

T = TypeVar("T")

_REASON, _READ = "reason", "read"
"""Keys under which the first rank to fail leaves its error, and the others count their reading."""
_PATIENCE = 3.0
"""Seconds to wait for that error once another rank is gone, and for the others to read it."""


class RankError(ToolkitError):
    """Another process of the training has ended."""


class Ranks:
    """The processes of a training, as seen from one of them.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes.
        device: Device of this process.
    """

    def __init__(
        self, device: torch.device, rank: int = 0, size: int = 1, store: Any = None
    ) -> None:
        self.device, self.rank, self.size = device, rank, size
        self._store = store

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0

    def add(self, tensors: Sequence[Tensor]) -> None:
        """Sums each tensor over all ranks, in place and in one message per dtype."""
        if self.size == 1:
            return
        dtypes = dict.fromkeys(tensor.dtype for tensor in tensors)  # in the same order everywhere
        for dtype in dtypes:
            same = [tensor for tensor in tensors if tensor.dtype == dtype]
            flat = torch.cat([tensor.reshape(-1) for tensor in same])
            with self._watching():
                dist.all_reduce(flat)
            parts = torch.split(flat, [tensor.numel() for tensor in same])
            for tensor, total in zip(same, parts, strict=True):
                tensor.copy_(total.view_as(tensor))

    def join(self, tensor: Tensor) -> Tensor:
        """Concatenates the tensors of all ranks, `[b, ...]`, in their order."""
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        with self._watching():
            dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def gather(self, value: T) -> list[T]:
        """Returns the values of all ranks, in their order, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with self._watching():
            dist.all_gather_object(values, value)
        return values

    def share(self, value: T) -> T:
        """Returns the first rank's value on every rank."""
        values: list[Any] = [value if self.first else None]
        if self.size > 1:
            with self._watching():
                dist.broadcast_object_list(values)
        shared: T = values[0]
        return shared

    def copy(self, tensors: Iterable[Tensor]) -> None:
        """Copies the first rank's values into the tensors of all ranks."""
        if self.size > 1:
            with self._watching():
                for tensor in tensors:
                    dist.broadcast(tensor, 0)

    def wait(self) -> None:
        """Waits until all ranks have come here."""
        self.gather(None)

    def report(self, error: BaseException) -> None:
        """Leaves an error for the other ranks, unless one was left before."""
        if self._store is not None:
            words = f"process {self.rank + 1} of {self.size}: {type(error).__name__}: {error}"
            with suppress(RuntimeError):  # the store has gone, too
                self._store.compare_set(_REASON, "", words)
                if not self.first:
                    self._store.add(_READ, 1)  # it will not ask why others end

    def linger(self) -> None:
        """Waits until the other ranks have read an error, if the store ends with this process."""
        deadline = time.monotonic() + _PATIENCE
        while self._store is not None and self.first and not launcher.keeps_store():
            if self._store.add(_READ, 0) >= self.size - 1 or time.monotonic() > deadline:
                return
            time.sleep(0.1)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        """Turns the failure of an exchange into an error that says why another rank is gone."""
        try:
            yield
        except RuntimeError as error:  # dist.DistBackendError is one
            reason = self._reason()
            raise RankError(
                f"Another of the {self.size} processes of this training has ended"
                + (f" ({reason})." if reason else " without a message: killed, or out of memory?"),
                "The launcher's output names it. Then go on from the last checkpoint: "
                "the same command with --resume",
            ) from error

    def _reason(self) -> str:
        deadline = time.monotonic() + _PATIENCE
        while self._store is not None and time.monotonic() < deadline:
            with suppress(RuntimeError):
                if self._store.check([_REASON]):
                    reason: bytes = self._store.get(_REASON)
                    self._store.add(_READ, 1)
                    return reason.decode()
            time.sleep(0.1)
        return ""


@contextmanager
def joined(device_name: str) -> Iterator[Ranks]:
    """Joins the other processes of a training for the duration of a block.

    Args:
        device_name: As in `train.device`; each process of a machine takes a GPU of its own.

    Raises:
        UsageError: There is no such device.
        RankError: The other processes cannot be reached.
    """
    rank, size = launcher.rank(), launcher.size()
    if size == 1:
        yield Ranks(choose_device(device_name))
        return
    device = choose_device(device_name, launcher.local_rank())
    store = _connect(device, rank, size)
    ranks = Ranks(device, rank, size, store)
    try:
        yield ranks
    except RankError:
        dist.destroy_process_group()
        raise
    except BaseException as error:
        ranks.report(error)
        dist.destroy_process_group()  # which the others notice
        ranks.linger()
        raise
    dist.destroy_process_group()


def _connect(device: torch.device, rank: int, size: int) -> Any:
    """Opens the process group and returns a store that all ranks share."""
    backend = "cpu:gloo"
    if device.type != "cpu":
        torch.accelerator.set_device_index(device.index)
        own = dist.get_default_backend_for_device(device.type)
        backend = f"{backend},{device.type}:{own}"
    try:
        store, _, _ = next(iter(rendezvous("env://", rank, size)))
        store.set_timeout(timedelta(minutes=10))
        # torchrun keeps its store when it starts the processes again after a failure.
        shared = PrefixStore(f"toolkit/{launcher.restarts()}", store)
        group = PrefixStore("group", shared)
        dist.init_process_group(backend, store=group, rank=rank, world_size=size)
    except (RuntimeError, ValueError) as error:
        raise RankError(
            f"The {size} processes of this training cannot reach each other: {error}",
            "Start them all with one launcher: torchrun --nproc-per-node=2 -m toolkit train …",
        ) from error
    return shared
