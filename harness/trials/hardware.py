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

from harness.errors import UsageError, error_text

MOST_JOBS = 4
"""More trials than these are not fitted side by side unless somebody asks for it."""


def device(wanted: str = "auto") -> str:
    """The device to use, as torch spells it. Raises UsageError if this machine does not have it."""
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
    """How many trials to fit at the same time without looking at memory: on a CPU one for each core, but at most 4.

    On a CPU this is faster than one trial that uses all cores. A GPU's memory says how many it holds (executors/room).
    """
    return min(cores(), MOST_JOBS) if on == "cpu" else 1


def cores() -> int:
    """The number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads(on: str, precision: str, side_by_side: int) -> int | None:
    """The number of threads for one fit while `side_by_side` fits run at the same time; None lets torch decide.

    In fp32 on a CPU, and on a GPU, the answer does not depend on `side_by_side`. Threads share out a sum and add it in
    another order, so only a fixed number of them gives scores that are equal to the last bit; beside a GPU they compute
    what is left to the CPU. `OMP_NUM_THREADS` overrides all of this.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked):
        return min(int(asked), cores())
    if on == "cpu" and precision == "fp32":
        return max(1, cores() // jobs(on))
    if on.startswith("cuda"):
        return max(1, cores() // MOST_JOBS)
    return max(1, cores() // side_by_side) if side_by_side > 1 else None


_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables from which numeric libraries take their number of threads when they are loaded."""
_MOST_THREADS = 256
"""No fit has ever used more threads; a record that claims a million would make the process abort."""


@contextmanager
def limited_to(count: int | None) -> Iterator[None]:
    """Within this context torch and the BLAS of numpy and scipy use `count` threads; None changes nothing.

    It also holds for libraries that are imported within. The results of all of them depend on the number of threads.
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
    """The number of threads that torch uses; None if torch has not been imported."""
    torch = sys.modules.get("torch")
    return torch.get_num_threads() if torch else None


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device or the machine ran out of memory; torch has several wordings for it."""
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, MemoryError) or any(sign in error_text(error).lower() for sign in signs)


def release_memory() -> None:
    """Free the memory that a failed fit still occupies, on a GPU too."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch and torch.cuda.is_available():
        torch.cuda.empty_cache()


def peak_bytes() -> int:
    """The largest amount of memory that this process has used so far, in bytes."""
    try:
        # getrusage will not do: on Linux its maximum is inherited from the parent process.
        status = Path("/proc/self/status").read_text()
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def machine(on: str) -> dict[str, Any]:
    """The operating system, processor, number of cores and device, for records. No person or folder is named."""
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
    """The entries of the first processor in /proc/cpuinfo; empty on systems without that file."""
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
