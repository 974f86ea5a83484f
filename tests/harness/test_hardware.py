from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import weakref
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from harness import UsageError
from harness.trials import hardware, provenance


def installed(name: str) -> bool:
    try:
        return bool(version(name))
    except PackageNotFoundError:
        return False


def test_the_processor_is_called_what_linux_calls_it() -> None:
    info = Path("/proc/cpuinfo")
    named = (
        [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if info.exists()
        else []
    )
    if not named:
        pytest.skip("this system does not name its processor there")
    assert hardware.machine("cpu")["cpu"] == named[0]


def test_code_of_a_module_that_is_not_imported_has_no_digest() -> None:
    assert provenance.code_of("a_module_that_nobody_has_imported") == ""
    assert len(provenance.code_of("harness_pools")) in (0, 8)


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="no device 'cuda:99' here: expected one of auto, cpu"):
        hardware.device("cuda:99")


@pytest.mark.parametrize(
    ("gpus", "apple", "expected"), [(2, False, "cuda"), (2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")]
)
def test_auto_is_an_accelerator_where_torch_finds_one(
    monkeypatch: pytest.MonkeyPatch, gpus: int, apple: bool, expected: str
) -> None:
    import torch

    monkeypatch.setattr(hardware, "_has_accelerator_files", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
    assert hardware.device("auto") == expected
    assert hardware.device(expected) == expected
    present = [*(["cuda", "cuda:0", "cuda:1"] if gpus else []), *(["mps"] if apple else [])]
    assert [hardware.device(name) for name in present] == present
    expected_text = ", ".join(["auto", "cpu", *present])
    with pytest.raises(UsageError, match=f"no device 'cuda:2' here: expected one of {expected_text}$"):
        hardware.device("cuda:2")


def test_auto_is_the_processor_where_there_is_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_has_accelerator_files", lambda: False)
    monkeypatch.setattr(hardware.sys, "platform", "linux")
    assert hardware.device("auto") == "cpu"
    assert hardware.device("cpu") == "cpu"


def test_a_run_on_the_processor_that_was_asked_for_starts_without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_has_accelerator_files", lambda: True)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert hardware.device("cpu") == "cpu"


@pytest.mark.parametrize(
    ("flags", "on", "expected"),
    [
        ({"avx512_bf16"}, "cpu", "bf16"),
        ({"amx_bf16"}, "cpu", "bf16"),
        ({"avx2"}, "cpu", "fp32"),
        ({"avx2"}, "cuda:0", "bf16"),
        ({"avx512_bf16"}, "mps", "fp32"),
    ],
)
def test_auto_precision_is_bf16_only_where_the_device_multiplies_it(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], on: str, expected: str
) -> None:
    monkeypatch.setattr(hardware, "_cpu_flags", lambda: flags)
    assert hardware.precision("auto", on) == expected
    assert hardware.precision("fp32", on) == "fp32"


def test_a_record_names_versions_and_machine_but_no_person_host_or_folder() -> None:
    versions, machine = provenance.versions(), hardware.machine("cpu")
    assert versions["numpy"]
    assert versions["python"].startswith("3.")
    assert machine["device"] == "cpu"
    numbers_may_differ_by = {"numpy", "pillow", "pytorch-msssim", "scikit-learn", "scipy", "timm", "torch"}
    assert set(provenance.PACKAGES) == {"anomaly-harness", *numbers_may_differ_by}
    assert versions["anomaly-harness"]
    assert versions.keys() == {"python", *(name for name in provenance.PACKAGES if installed(name))}
    text = json.dumps([versions, machine])
    assert socket.gethostname() not in text
    assert getpass.getuser() not in text
    assert "/" not in text.replace("x86/64", "")


@pytest.mark.parametrize(("cores", "jobs"), [(1, 1), (2, 2), (4, 4), (5, 4), (64, 4)])
def test_several_trials_share_a_processor_and_one_has_an_accelerator_to_itself(
    monkeypatch: pytest.MonkeyPatch, cores: int, jobs: int
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    assert hardware.jobs("cpu") == jobs
    assert hardware.jobs("cuda:0") == 1


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware.os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert hardware.cores() == 3
    monkeypatch.delattr(hardware.os, "sched_getaffinity")
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: 6)
    assert hardware.cores() == 6, "a system without affinities"
    monkeypatch.setattr(hardware.os, "cpu_count", lambda: None)
    assert hardware.cores() == 1, "and one that does not say"


@pytest.mark.parametrize(
    ("error", "is_it"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("not enough memory: you tried to allocate 9 bytes"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("memory"), False),
    ],
)
def test_a_lack_of_memory_is_known_by_what_libraries_say(error: Exception, is_it: bool) -> None:
    assert hardware.out_of_memory(error) is is_it


@pytest.mark.parametrize(("gpu", "emptied"), [(True, 1), (False, 0)])
def test_memory_that_a_failed_fit_held_on_a_gpu_is_let_go(
    monkeypatch: pytest.MonkeyPatch, gpu: bool, emptied: int
) -> None:
    import torch

    calls: list[int] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append(1))
    gone = weakref.finalize(_HoldsItself(), lambda: None)
    hardware.release_memory()
    assert not gone.alive, "also what holds on to itself"
    assert len(calls) == emptied


class _HoldsItself:
    """As the frames of an error do."""

    def __init__(self) -> None:
        self.frame = self


@pytest.mark.parametrize("has_proc", [True, False])
def test_the_peak_of_memory_is_in_bytes_and_does_not_go_down(monkeypatch: pytest.MonkeyPatch, has_proc: bool) -> None:
    if not has_proc:

        def refuse(path: Path) -> str:
            raise OSError

        monkeypatch.setattr(Path, "read_text", refuse)
    before = hardware.peak_bytes()
    block = bytearray(max(0, before - _now()) + (64 << 20))
    block[::4096] = b"x" * len(block[::4096])  # the kernel counts pages that were written
    grown = hardware.peak_bytes() - before
    del block
    assert 32 << 20 < grown < 256 << 20
    assert hardware.peak_bytes() > before + grown - (1 << 20), "as far as the kernel counts"


def _now() -> int:
    """Bytes that this process holds now."""
    with Path("/proc/self/statm").open() as file:
        pages = int(file.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def test_the_processor_is_named_as_the_system_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "processor\t: 0\nmodel name\t: Some CPU @ 3: fast\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nmodel name\t: Other\n"
    )
    hardware._cpu_info.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_text", lambda path: text)
        assert hardware.machine("cpu")["cpu"] == "Some CPU @ 3: fast"
        assert hardware._cpu_flags() == {"fpu", "avx2"}
    hardware._cpu_info.cache_clear()
    for processor, name in (("arm", "arm"), ("", "unknown")):
        with monkeypatch.context() as patch:
            patch.setattr(hardware, "_cpu_info", dict)
            patch.setattr(hardware.platform, "processor", lambda processor=processor: processor)
            assert hardware.machine("cpu")["cpu"] == name
            assert hardware.precision("auto", "cpu") == "fp32"
