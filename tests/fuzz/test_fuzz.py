"""Five thousand hostile inputs for each reader of what strangers write; fuzz.py beside this file is the tool."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TARGETS = ("image", "parts", "config", "toml", "csv", "results", "model")
INPUTS = int(os.environ.get("FUZZ_INPUTS", "5000"))
SEED = int(os.environ.get("FUZZ_SEED", "0"))
"""Every night a workflow tries more inputs, from a seed that nobody has tried."""
FEWER = {"image_table": 5_000, "description": 5_000, "archive": 500}
"""Readers that touch the disk for each input, and how many inputs they get."""
MEGABYTES = 1500
"""Of memory that no input may take; a decoded image of the largest size that is let in takes a third of it."""


def fuzz(target: str, *options: object) -> dict[str, Any]:
    """What the tool reports. It runs in a process of its own, as an input may end the process that reads it."""
    words = [sys.executable, str(HERE / "fuzz.py"), target, *map(str, options)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), f"its process ended with {done.returncode}: {done.stderr[-2000:]}"
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert said["megabytes"] < MEGABYTES
    return said


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_whatever_a_stranger_wrote_is_read_or_refused_in_one_line(target: str, tmp_path: Path) -> None:
    said = fuzz(target, "--inputs", INPUTS, "--seed", SEED, "--keep", tmp_path)
    print(said)
    assert not said["faults"], f"kept in {tmp_path}; put them into {HERE / 'corpus' / target} once mended"
    assert said["inputs"] == INPUTS
    assert 0.05 * INPUTS < said["accepted"] < 0.95 * INPUTS, (
        "inputs should reach past the first check, and not all be fine"
    )


@pytest.mark.parametrize(("target", "inputs"), FEWER.items())
def test_whatever_a_stranger_listed_or_packed_is_read_or_refused_in_one_line(
    target: str, inputs: int, tmp_path: Path
) -> None:
    said = fuzz(target, "--inputs", inputs, "--keep", tmp_path)
    assert not said["faults"], f"kept in {tmp_path}; put them into {HERE / 'corpus' / target} once mended"
    assert 0.03 * inputs < said["accepted"] < 0.95 * inputs


@pytest.mark.parametrize("target", [folder.name for folder in sorted((HERE / "corpus").iterdir())])
def test_inputs_that_were_once_taken_badly_are_taken_well(target: str) -> None:
    files = sorted((HERE / "corpus" / target).iterdir())
    said = fuzz(target, "--replay", *files)
    assert said["inputs"] == len(files) > 0
    assert said["faults"] == {}


def test_a_reader_that_raises_something_else_or_hangs_is_found_and_its_input_kept(tmp_path: Path) -> None:
    script = (
        "import json, sys; sys.path.insert(0, sys.argv.pop(1)); import fuzz, targets\n"
        "fuzz.LIMIT_S = 0.2\n"
        "def read(path):\n"
        "    data = path.read_bytes()\n"
        "    if data.startswith(b'x'): json.loads('{')\n"
        "    while data.startswith(b'y'): pass\n"
        "targets.TARGETS['toy'] = lambda: targets.Target(read, [b'xx', b'yy', b'zz'], ())\n"
        "sys.exit(fuzz.main())"
    )
    words = [sys.executable, "-c", script, str(HERE), "toy", "--inputs", "30", "--keep", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    faults = json.loads(done.stdout)["faults"]
    assert sorted(fault.split(":")[0] for fault in faults.values()) == ["JSONDecodeError", "it takes longer than 0.2 s"]
    assert {file.name for file in tmp_path.iterdir()} == set(faults)
    assert {file.read_bytes()[:1] for file in tmp_path.iterdir()} == {b"x", b"y"}
