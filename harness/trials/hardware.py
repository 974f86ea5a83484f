"""The machine that computes trials: its device, precision, threads and memory."""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def device(wanted: str = "auto") -> str:
    """The device to use, as torch spells it. Raises UsageError for one that is not here."""
    if wanted == "cpu" or (wanted == "auto" and sys.platform == "linux" and not _has_accelerator_files()):
        return "cpu"  # without importing torch, so that a run that has nothing to fit starts at once
    import torch

    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if wanted == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if name in present)
    if wanted not in present:
        raise UsageError(f"no device {wanted!r} here: expected one of auto, {', '.join(present)}")
    return wanted


def precision(wanted: str, on: str) -> str:
    """The precision that `auto` means: bf16 where the device multiplies it, which is faster, otherwise fp32."""
    if wanted != "auto":
        return wanted
    if on.startswith("cuda"):
        return "bf16"
    return "bf16" if on == "cpu" and _cpu_flags() & {"avx512_bf16", "amx_bf16"} else "fp32"


def jobs(on: str) -> int:
    """How many trials to fit side by side. On a CPU it is one for each core, which is faster than sharing all cores."""
    return min(cores(), 4) if on == "cpu" else 1


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(on: str, precision: str, side_by_side: int) -> int | None:
    """How many threads a fit computes in, with so many fits side by side; None leaves it to torch.

    In fp32 on a CPU that number does not matter, so that scores are equal to the last bit however trials are run: a sum
    shared out among more threads is made in another order. `OMP_NUM_THREADS` overrules all of this.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return min(int(asked), cores())
    if on == "cpu" and precision == "fp32":
        return max(1, cores() // jobs(on))
    return max(1, cores() // side_by_side) if side_by_side > 1 else None


_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that a numeric library heeds when it is loaded, each over the number that others are given."""
_MOST_THREADS = 256
"""More than any fit has had; far more would abort the process."""


@contextmanager
def limited_to(count: int | None) -> Iterator[None]:
    """While this is active, numeric libraries use so many threads, even if imported later; None changes nothing.

    These are torch and the BLAS of numpy and scipy, whose sums depend on that number just as well.
    """
    if count is None:
        yield
        return
    from threadpoolctl import threadpool_limits

    count = max(1, min(count, max(_MOST_THREADS, cores())))  # a record from elsewhere may say a million
    torch, before = sys.modules.get("torch"), {name: os.environ.get(name) for name in _COUNTS}
    os.environ.update(dict.fromkeys(_COUNTS, str(count)))
    threads_before = torch.get_num_threads() if torch else 0
    try:
        with threadpool_limits(count):
            if torch:
                torch.set_num_threads(count)
            yield
    finally:
        if torch:
            torch.set_num_threads(threads_before)
        for name, was in before.items():
            os.environ.pop(name, None)
            if was is not None:
                os.environ[name] = was


def threads_in_use() -> int | None:
    """How many threads torch computes in; None where nothing has imported it."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


def out_of_memory(error: BaseException) -> bool:
    """Whether a device or the machine had no memory left, which torch says in several ways."""
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, MemoryError) or any(sign in str(error).lower() for sign in signs)


def release_memory() -> None:
    """Free the memory that a failed fit has left behind, also on a GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_bytes() -> int:
    """The most memory that this process has held."""
    try:
        # getrusage will not do: on Linux its maximum is inherited from the parent process.
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def machine(on: str) -> dict[str, Any]:
    """System, processor, number of cores and the name of the device, for records; it names no person and no folder."""
    system = f"{platform.system()} {platform.machine()}"
    return {"system": system, "cpu": _cpu_name(), "cores": os.cpu_count(), "device": _device_name(on)}


def _device_name(on: str) -> str:
    if not on.startswith("cuda"):
        return on
    import torch

    return str(torch.cuda.get_device_name(on))


def _has_accelerator_files() -> bool:
    return any(Path(path).exists() for path in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


@cache
def _cpu_info() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.split("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _cpu_flags() -> set[str]:
    return set(_cpu_info().get("flags", "").split())


def _cpu_name() -> str:
    return _cpu_info().get("model name") or platform.processor() or "unknown"
