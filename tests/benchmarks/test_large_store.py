"""What commands cost in memory and processor time on a store of many trials: `LARGE_STORE=200000 pytest ...`."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.plugin.registry import Registry
from harness.report.results import opened
from harness.verdicts.leaderboard import boards
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


def test_a_million_verdicts_of_a_store_stay_in_memory(tmp_path: Path) -> None:
    """21 verdicts a trial; MILLION=50000 makes a million of them."""
    trials = int(os.environ.get("MILLION", "1000"))
    fill(tmp_path / "runs", trials)
    began = time.process_time()
    thresholds = "conformal,conformal[alpha=0.1],mean,mean_std,median_mad,quantile,f1_oracle"
    verdicts = opened(tmp_path / "runs", Registry.discover(), thresholds, "all", light=True).verdicts
    judged = time.process_time()
    found = boards(verdicts)
    ranked = time.process_time()
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = f"read and judged in {judged - began:.1f} s of processor, ranked in {ranked - judged:.1f} s"
    print(f"\n{len(verdicts):,} verdicts of {trials:,} trials: {times}, {megabytes:.0f} MB at most")
    assert len(verdicts) == 21 * trials
    assert sum(len(board.lines) for board in found)
    assert megabytes < 500 + 0.03 * trials, "2 GB for 50,000 trials"


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
