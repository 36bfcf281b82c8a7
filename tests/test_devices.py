"""Devices, cores and memory; losses and discriminators get float32, and autocast if they ask."""

import os
import sys

import pytest
import torch

from toolkit import contracts, devices
from toolkit.devices import (
    _free_memory_of_windows,
    choose_device,
    choose_precision,
    free_memory,
    free_memory_of,
    processor_cores,
)
from toolkit.errors import UsageError

IMAGE = torch.rand(2, 3, 8, 8)


class Witness:
    """A loss or a discriminator that keeps what it was called with."""

    def __call__(self, *given):
        types = {each.dtype for each in given if each is not None}
        self.seen = torch.is_autocast_enabled("cpu"), types
        return given[0].flatten(1).mean(1)

    def logits(self, x, rng):
        return self(x, rng)[:, None]


class Declared(Witness):
    autocast = True


def judge(witness, x):
    return contracts.logits(witness, x, None)


def compare(witness, x):
    return contracts.distances(witness, x, IMAGE)


@pytest.mark.parametrize("call", [judge, compare])
@pytest.mark.parametrize(("kind", "declared"), [(Witness, False), (Declared, True)])
def test_float32_comes_in_and_autocast_where_it_is_declared(call, kind, declared):
    witness, x = kind(), IMAGE.bfloat16().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        call(witness, x).sum().backward()
        assert torch.is_autocast_enabled("cpu")
    assert witness.seen == (declared, {torch.float32})
    assert x.grad.abs().sum() > 0
    call(witness, IMAGE)
    assert witness.seen == (False, {torch.float32})


def test_float64_stays():
    witness = Witness()
    contracts.distances(witness, IMAGE.double(), IMAGE.double())
    assert witness.seen == (False, {torch.float64})


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_precision_is_refused(part, refused, half):
    x = IMAGE.clone().requires_grad_()
    rough = x.flatten(1).mean(1).to(half)
    with refused(f"returned distances of {str(half)[6:]}, not of float32"):
        contracts.distances(part(rough), x, IMAGE)
    with refused(f"returned logits of {str(half)[6:]}, not of float32"):
        contracts.logits(part(rough[:, None], "discriminator"), x, None)


def test_a_device_that_is_not_there_is_named():
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cpu", "cuda"}
    with pytest.raises(UsageError, match="no device 'abacus' here") as told:
        choose_device("abacus")
    assert told.value.hint == "Use cpu, or auto."


@pytest.fixture
def accelerator(monkeypatch):
    """Lets torch find an accelerator of a type, with so many devices."""

    def found(kind, count=8):
        def empty(*_given, device):
            if device.type not in ("cpu", kind) or (device.index or 0) >= count:
                raise RuntimeError(f"invalid device {device}\nmore")

        monkeypatch.setattr(torch.accelerator, "is_available", lambda: kind is not None)
        device = torch.device(kind) if kind else None
        monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: device)
        monkeypatch.setattr(torch, "empty", empty)

    return found


@pytest.mark.parametrize("kind", ["cuda", "mps", "xpu"])
def test_any_accelerator_is_found_and_each_process_takes_its_own(accelerator, kind):
    accelerator(kind)
    assert choose_device("auto") == torch.device(kind)
    for name in ("auto", kind):
        assert choose_device(name, 3) == torch.device(kind, 3)
    assert choose_device(f"{kind}:1", 3) == torch.device(kind, 1)
    assert choose_device("cpu", 3) == torch.device("cpu")


def test_without_an_accelerator_all_processes_share_the_cpu(accelerator):
    accelerator(None)
    assert choose_device("auto") == choose_device("auto", 5) == torch.device("cpu")
    with pytest.raises(UsageError, match=r"no device 'mps' here \(invalid device mps\)"):
        choose_device("mps")


def test_more_processes_than_accelerators_are_told(accelerator):
    accelerator("cuda", 2)
    assert choose_device("auto", 1) == torch.device("cuda", 1)
    with pytest.raises(UsageError, match="no device 'cuda:2' here"):
        choose_device("auto", 2)


@pytest.mark.parametrize(("kind", "precision"), [("mps", torch.float32), ("xpu", torch.bfloat16)])
def test_the_precision_that_suits_an_accelerator(kind, precision):
    assert choose_precision("auto", torch.device(kind)) is precision


def test_a_precision_that_is_named_is_taken():
    cpu = torch.device("cpu")
    assert choose_precision("bfloat16", cpu) is torch.bfloat16
    assert choose_precision("float32", cpu) is torch.float32
    assert choose_precision("auto", cpu) in {torch.bfloat16, torch.float32}


def test_cores_are_those_that_the_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: {2, 5, 7}, raising=False)
    assert processor_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "process_cpu_count", lambda: 5, raising=False)
    assert processor_cores() == 5
    monkeypatch.delattr(os, "process_cpu_count")
    for count, cores in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert processor_cores() == cores


@pytest.mark.skipif(sys.platform == "win32", reason="Windows tells it otherwise")
def test_memory_that_linux_can_give_up_is_free(monkeypatch, tmp_path):
    told = tmp_path / "meminfo"
    monkeypatch.setattr(devices, "_MEMINFO", told)
    told.write_text("MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable:  700 kB\n")
    assert free_memory() == free_memory_of(torch.device("cpu")) == 700 * 1024
    assert free_memory_of(torch.device("meta")) is None


def test_memory_is_what_the_system_tells_of_it(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "_MEMINFO", tmp_path / "missing")
    told = {"SC_PAGE_SIZE": 4096, "SC_AVPHYS_PAGES": 3, "SC_PHYS_PAGES": 5}

    def tell(name):
        if name not in told:
            raise ValueError("unrecognized configuration name")
        return told[name]

    monkeypatch.setattr(os, "sysconf", tell)
    assert free_memory() == 3 * 4096
    del told["SC_AVPHYS_PAGES"]
    assert free_memory() == 5 * 4096
    del told["SC_PHYS_PAGES"]
    assert free_memory() is None
    monkeypatch.delattr(os, "sysconf")
    assert free_memory() is None


@pytest.mark.parametrize(("answer", "free"), [(1, 6 << 30), (0, None)])
def test_memory_as_windows_tells_it(monkeypatch, answer, free):
    import ctypes

    class Kernel:
        @staticmethod
        def GlobalMemoryStatusEx(pointer):  # noqa: N802 - its name there
            # MEMORYSTATUSEX: two numbers of 32 bits, then total and free physical memory …
            assert ctypes.sizeof(pointer._obj) == 64
            content = (ctypes.c_uint32 * 16).from_buffer(pointer._obj)
            assert content[0] == 64
            content[5] = 6 << 30 >> 32
            content[4] = (6 << 30) & 0xFFFFFFFF
            return answer

    monkeypatch.setattr(ctypes, "CDLL", lambda _name: Kernel)
    assert _free_memory_of_windows() == free
