"""Device, precision, processor cores and memory. Importing it does not load torch."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.abilities import UsesAutocast
from toolkit.errors import UsageError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_MEMINFO = Path("/proc/meminfo")
"""Where Linux tells of its memory."""


def choose_device(name: str, local_rank: int | None = None) -> torch.device:
    """Returns the device of this name; `auto` is an accelerator if there is one.

    An accelerator is whatever `torch.accelerator` finds: CUDA, ROCm, Apple's MPS, Intel's XPU.

    Args:
        name: A device, perhaps with an index.
        local_rank: Index of the accelerator to take if the name has none.

    Raises:
        UsageError: There is no such device.
    """
    import torch

    if name == "auto":
        found = torch.accelerator.is_available() and torch.accelerator.current_accelerator()
        device = found or torch.device("cpu")
    else:
        try:
            device = torch.device(name)
        except RuntimeError as error:
            raise _no_device(name, error) from None
    if local_rank is not None and str(device) not in ("cpu", "meta") and ":" not in str(device):
        device = torch.device(device.type, local_rank)
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise _no_device(str(device), error) from None
    return device


def _no_device(name: str, error: Exception) -> UsageError:
    reason = str(error).splitlines()[0]
    return UsageError(f"There is no device {name!r} here ({reason}).", "Use cpu, or auto.")


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Returns the dtype of this name; `auto` is bfloat16 if the hardware supports it natively."""
    import torch

    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type != "cpu":
        fast = device.type == "xpu"
    else:
        # Emulated bfloat16 is slower than float32. Older torch does not report the capabilities.
        capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return torch.bfloat16 if fast else torch.float32


def processor_cores() -> int:
    """Returns the number of cores that this process may use; of all cores if unknown."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return getattr(os, "process_cpu_count", os.cpu_count)() or 1  # Python 3.13 has the former


def free_memory() -> int | None:
    """Returns the bytes of free main memory; of all memory, or None, if the system does not say.

    What Linux holds of files and gives up when it is needed counts as free.
    """
    if sys.platform == "win32":
        return _free_memory_of_windows()
    with suppress(OSError, StopIteration, ValueError):
        lines = _MEMINFO.read_text(encoding="utf-8").splitlines()
        told = next(line for line in lines if line.startswith("MemAvailable:"))
        return int(told.split()[1]) * 1024
    for pages in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):  # macOS has only the latter
        with suppress(AttributeError, ValueError, OSError):
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf(pages)
    return None


def free_memory_of(device: torch.device) -> int | None:
    """Returns the bytes of free memory on a device; None if it does not say."""
    if device.type == "cpu":
        return free_memory()
    import torch

    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else None


def _free_memory_of_windows() -> int | None:
    import ctypes

    class Status(ctypes.Structure):  # MEMORYSTATUSEX
        _fields_ = (
            ("length", ctypes.c_uint32),
            ("load", ctypes.c_uint32),
            *((name, ctypes.c_uint64) for name in (
                "total", "free", "total_paged", "free_paged", "total_virtual", "free_virtual",
                "free_extended",
            )),
        )  # fmt: skip

    status = Status(length=ctypes.sizeof(Status))
    succeeded = ctypes.CDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.free) if succeeded else None


def uses_autocast(part: object) -> bool:
    """Whether a loss or a discriminator declares that it may run in autocast."""
    return isinstance(part, UsesAutocast) and part.autocast


def call_context(part: object, like: Tensor) -> AbstractContextManager[Any]:
    """Returns a context that disables autocast unless the part declares `autocast`.

    Args:
        part: A loss or a discriminator.
        like: A tensor on its device.
    """
    import torch

    if like.is_meta or uses_autocast(part):  # the meta device has no autocast
        return nullcontext()
    return torch.autocast(like.device.type, enabled=False)


def at_least_float32(x: Tensor) -> Tensor:
    """Converts half precision to float32, differentiably; returns other tensors unchanged."""
    return x.float() if is_half(x) else x


def is_half(x: Tensor) -> bool:
    """Whether a tensor has a 16-bit floating dtype."""
    return x.is_floating_point() and x.element_size() == 2
