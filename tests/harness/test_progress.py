from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import warm_python

from harness.api import Progress
from harness.report.progress import Plain, planned
from harness.trials.observers import RunStart
from harness.trials.record import Record
from harness.trials.trial import Outcome, Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def test_without_a_terminal_each_trial_is_one_line_with_its_speed() -> None:
    written = io.StringIO()
    shown = Plain(written)
    shown.run_started(RunStart(3, [TRIAL], Path("runs")))
    shown.found(TRIAL, "0123456789abcdef")
    shown.started(TRIAL)
    shown.progressed(TRIAL, Progress(1, 2, 0.5, 6))
    shown.ended(Outcome(TRIAL, "done", record=Record(fit_seconds=2.0, train_images_per_second=6.0)))
    shown.ended(Outcome(TRIAL._replace(seed=1), "skipped", "no weights"))
    shown.run_ended(stopped=False)
    assert written.getvalue().splitlines() == [
        "[0/3] reading the images of large",
        "[2/3] large · dae + conv + mse · seed 0 · done in 2.0 s, 6 images/s",
        "[3/3] large · dae + conv + mse · seed 1 · skipped: no weights",
        "1 of 3 were in the store already",
    ]


def test_a_trial_that_found_too_little_memory_is_known_by_the_batch_it_was_asked_for() -> None:
    assert planned(Outcome(TRIAL._replace(batch_size=2), "done", record=Record(asked_batch_size=4))) == TRIAL
    assert planned(Outcome(TRIAL, "error", "no luck")) == TRIAL


def test_in_a_terminal_the_running_trial_is_shown_live(tmp_path: Path, dots_plugin: Path) -> None:
    plugin = tmp_path / "slow.py"
    slow = "import time; time.sleep(0.3); run.report("
    plugin.write_text(dots_plugin.read_text().replace("run.report(", slow))
    words = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "--no-floors",
        "--plugin",
        str(plugin),
        "--store",
        str(tmp_path / "runs"),
    ]
    words += [
        "--dataset",
        "dots",
        "--categories",
        "large,small",
        "--models",
        "trained[fail=nan]",
        "--encoders",
        "plain",
    ]
    words += ["--losses", "absolute", "--thresholds", "highest", "--device", "cpu", "--seeds", "0,1"]
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "140", "LINES": "40"}
    process = warm_python.Popen(words, stderr=theirs, stdout=subprocess.PIPE, env=environ)
    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # Linux's way to say that the other side is closed
            break
        if not piece:
            break
        seen += piece
    process.communicate(timeout=60)
    os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode())
    assert process.returncode == 3
    assert "epoch 1/2" in text
    assert "images/s" in text
    assert "left" in text
    assert "large · trained[fail=nan] + plain + absolute · seed 1 · error: loss is nan in epoch 2 of 2" in text
