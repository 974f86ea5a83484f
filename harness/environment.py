"""Where a trial runs: device, precision, versions, and what a record remembers of them."""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.errors import UsageError

PACKAGES = ("anomaly-harness", "numpy", "pillow", "pytorch-msssim", "scikit-learn", "scipy", "timm", "torch")


def device(wanted: str = "auto") -> str:
    """The device to use, as torch spells it. Raises UsageError for one that is not here."""
    if wanted == "cpu" or (wanted == "auto" and sys.platform == "linux" and not _has_accelerator_files()):
        return "cpu"  # decided without torch, so that a run that has nothing to fit starts at once
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
    """`auto` as what trains fastest there at no cost in accuracy: bf16 where the device multiplies it, else fp32."""
    if wanted != "auto":
        return wanted
    if on.startswith("cuda"):
        return "bf16"
    return "bf16" if on == "cpu" and _cpu_flags() & {"avx512_bf16", "amx_bf16"} else "fp32"


def jobs(on: str) -> int:
    """How many trials to fit side by side: on a CPU, a core to itself serves a fit better than a share in all."""
    return min(os.cpu_count() or 1, 4) if on == "cpu" else 1


def describe(on: str) -> dict[str, Any]:
    """What a record remembers: versions, machine, device; JSON values. It names no person and no folder."""
    found = {"python": platform.python_version(), "system": f"{platform.system()} {platform.machine()}"}
    return {
        "versions": {**_versions(), "python": found["python"]},
        "machine": {"system": found["system"], "cpu": _cpu_name(), "cores": os.cpu_count(), "device": _device_name(on)},
    }


@cache
def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


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
