from __future__ import annotations

import getpass
import json
import socket

import pytest

from harness import UsageError
from harness.trials import hardware, provenance


def test_a_device_that_is_not_here_is_refused_with_those_that_are() -> None:
    pytest.importorskip("torch")
    with pytest.raises(UsageError, match="no device 'cuda:99' here: expected one of auto, cpu"):
        hardware.device("cuda:99")


def test_auto_is_the_processor_where_there_is_no_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_has_accelerator_files", lambda: False)
    monkeypatch.setattr(hardware.sys, "platform", "linux")
    assert hardware.device("auto") == "cpu"
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
    text = json.dumps([versions, machine])
    assert socket.gethostname() not in text
    assert getpass.getuser() not in text
    assert "/" not in text.replace("x86/64", "")


def test_several_trials_share_a_processor_and_one_has_an_accelerator_to_itself() -> None:
    assert 1 <= hardware.jobs("cpu") <= 4
    assert hardware.jobs("cuda:0") == 1
