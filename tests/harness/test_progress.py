from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from harness.api import Progress
from harness.report.progress import Plain, Quiet, TimeLeft, display
from harness.trial import Outcome, Trial

TRIAL = Trial("dots", "large", "dae", "conv", "mse", 0, 16, 2, 4, 1e-4, 0.0, "fp32", "-")


def test_without_a_terminal_each_trial_is_one_line_with_its_speed() -> None:
    written = io.StringIO()
    with Plain(3, written) as shown:
        shown.found(TRIAL)
        shown.started(TRIAL)
        shown.progressed(TRIAL, Progress(1, 2, 0.5, 6))
        shown.ended(Outcome(TRIAL, "done", record={"fit_seconds": 2.0, "train_images_per_second": 6.0}))
        shown.ended(Outcome(TRIAL._replace(seed=1), "skipped", "no weights"))
    assert written.getvalue().splitlines() == [
        "[2/3] large · dae + conv + mse · seed 0 · done in 2.0 s, 6 images/s",
        "[3/3] large · dae + conv + mse · seed 1 · skipped: no weights",
        "1 of 3 were in the store already",
    ]


def test_quiet_says_nothing(capsys: object) -> None:
    with display([TRIAL], quiet=True) as shown:
        assert type(shown) is Quiet
        shown.started(TRIAL)
        shown.ended(Outcome(TRIAL, "error", "no luck"))
    assert capsys.readouterr() == ("", "")


@given(
    st.dictionaries(st.sampled_from(["dae", "cae", "vae"]), st.floats(0.1, 100), min_size=1),
    st.integers(2, 8),
    st.data(),
)
def test_once_each_method_was_seen_the_time_left_is_what_the_rest_costs(
    costs: dict[str, float], categories: int, data: st.DataObject
) -> None:
    trials = [TRIAL._replace(model=model, category=str(i)) for i in range(categories) for model in sorted(costs)]
    left = TimeLeft(trials)
    assert left.seconds() is None
    done = data.draw(st.integers(len(costs), len(trials)))
    for trial in trials[:done]:
        left.ended(trial, costs[trial.model])
    expected = sum(costs[trial.model] for trial in trials[done:])
    assert left.seconds() is not None
    assert abs(left.seconds() - expected) < 1e-6 * max(1.0, expected)


def test_trials_found_in_the_store_do_not_count_as_fast_ones() -> None:
    trials = [TRIAL._replace(seed=seed) for seed in range(10)]
    left = TimeLeft(trials)
    for trial in trials[:5]:
        left.ended(trial, None)
    left.ended(trials[5], 3.0)
    assert left.seconds() == 4 * 3.0


def test_in_a_terminal_the_running_trial_is_shown_live(tmp_path: Path, dots_plugin: Path) -> None:
    plugin = tmp_path / "slow.py"
    slow = "import time; time.sleep(0.3); run.report("
    plugin.write_text(dots_plugin.read_text().replace("run.report(", slow))
    words = [sys.executable, "-m", "harness", "run", "--plugin", str(plugin), "--store", str(tmp_path / "runs")]
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
    process = subprocess.Popen(words, stderr=theirs, stdout=subprocess.PIPE, env=environ)
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
