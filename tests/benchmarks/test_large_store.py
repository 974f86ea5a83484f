"""What commands cost in memory and processor time on a store of many trials: `LARGE_STORE=200000 pytest ...`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks.large_store import fill

TRIALS = int(os.environ.get("LARGE_STORE", "5000"))
COMMANDS = {
    "leaderboard as csv": ["leaderboard", "--format", "csv"],
    "leaderboard in a terminal": ["leaderboard"],
    "export": ["export", "--thresholds", "mean", "--pools", "mean"],
    "report": ["report", "--thresholds", "mean"],
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large") / "runs"
    fill(folder, TRIALS)
    return folder


@pytest.mark.parametrize("what", COMMANDS)
def test_a_command_on_a_large_store_stays_in_memory(store: Path, what: str) -> None:
    words = [sys.executable, "-m", "harness", *COMMANDS[what], "--store", str(store)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        written = sum(len(piece) for piece in iter(lambda: process.stdout.read(1 << 20), b""))  # type: ignore[union-attr]
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    megabytes, seconds = usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime
    print(
        f"\n{what}, {TRIALS:,} trials: {seconds:.1f} s of processor, {megabytes:.0f} MB at most, {written / 1e6:.1f} MB written"
    )
    assert process.returncode == 0
    assert megabytes < 500 + 0.0075 * TRIALS, "2 GB for 200,000 trials"
