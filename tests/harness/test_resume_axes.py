"""A run over each axis that is killed in mid-fit goes on where it stopped: nothing is fitted twice, nothing is lost."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import warm_python
from click.testing import CliRunner
from PIL import Image

from harness.commands import main
from harness.trials.store import Store

DIARIST = '''
import os, signal
import numpy as np
from dataclasses import dataclass
from pathlib import Path
from harness import Model, Scores, hookimpl

@dataclass
class Diarist(Model):
    """The mean grey of what it was fitted to, and a line in a file for each fit; the last one may kill the run."""
    name = "diarist"
    uses = frozenset({"pool"})
    gain: float = 1.0

    def fit(self, normal, *, encoder, loss, run):
        diary = Path(os.environ["DIARY"])
        with diary.open("a") as file:
            file.write(f"{len(normal)}\\n")
        if len(diary.read_text().split()) >= int(os.environ.get("LAST_FIT", 1000)):
            os.killpg(int(os.environ.get("RUN_GROUP") or os.getpgrp()), signal.SIGKILL)
        self.mean = normal.pixels.mean(axis=(0, 1, 2))

    def score(self, images):
        return Scores(maps=self.gain * np.abs(images.pixels - self.mean).mean(axis=3))

@hookimpl
def harness_models(): return [Diarist]
'''


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories of other sizes, and the plugin."""
    folder, random = tmp_path_factory.mktemp("parts"), np.random.default_rng(1)
    for index, (name, grey) in enumerate({"dark": 40, "light": 200}.items()):
        for kind, count, lift in (("train/good", 4 + index, 0), ("test/good", 2, 0), ("test/bad", 3, 30)):
            place = folder / "data" / name / kind
            place.mkdir(parents=True)
            for number in range(count):
                shape = (20 + 10 * index, 30, 3)
                pixels = random.integers(grey + lift - 5, grey + lift + 5, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    (folder / "diarist.py").write_text(DIARIST)
    return folder


AXES = {
    "shots": (["--shots", "2,4,all", "--calibrate", "train"], 12, 12),
    "contamination": (["--contaminate", "0,0.2"], 8, 8),
    "augmentation": (["--augment", "none,flip+shift"], 8, 8),
    "tiles": (["--tiles", "10,16"], 8, 8),
    "padding": (["--resize", "stretch,pad"], 8, 8),
    "corruptions": (["--corrupt", "brightness"], 4, 4),
    "a sweep": (["--models", "diarist[gain=1|2]"], 8, 8),
    "joint models": (["--setting", "joint,joint-one-limit", "--seeds", "0,1,2"], 12, 3),
    "joint models by strangers": (["--setting", "one-class,joint", "--isolate", "--seeds", "0"], 4, 3),
    "shots, tiles and joint models": (
        ["--shots", "2,3", "--tiles", "16", "--setting", "joint", "--calibrate", "train"], 8, 4,
    ),
    "shots by two processes": (["--shots", "2,4", "--calibrate", "train", "--jobs", "2"], 8, 8),
}  # fmt: skip
"""Options, how many trials these make of two categories and two seeds (or more), and how many fits."""


@pytest.mark.parametrize("axis", AXES)
def test_a_run_that_is_killed_in_mid_fit_goes_on_where_it_stopped(
    axis: str, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, trials, fits = AXES[axis]
    diary, store = tmp_path / "diary", tmp_path / "runs"
    usual = {"--models": "diarist", "--seeds": "0,1", "--jobs": "1", "--image-size": "16"}
    given = [word for name, value in usual.items() if name not in words for word in (name, value)]
    if "--tiles" in words:
        given = [word for word in given if word not in ("--image-size", "16")]
    asked = ["run", "--data-root", str(parts / "data"), "--plugin", str(parts / "diarist.py"), "--store", str(store)]
    asked += ["--device", "cpu", "--no-floors", *given, *words]
    monkeypatch.setenv("DIARY", str(diary))
    last = fits // 2 + 1
    killed = warm_python.run(
        [sys.executable, "-c", _GROUP, *asked],
        env={**os.environ, "LAST_FIT": str(last)},
        capture_output=True,
        text=True,
        start_new_session=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with Store(store) as opened:
        before = {one.id: one.record.finished_at for one in opened.outcomes()}
    assert 0 < len(before) < trials
    begun = len(diary.read_text().split())
    again = CliRunner().invoke(main, asked)
    assert again.exit_code == 0, again.output
    assert f"{len(before)} already there" in again.stderr
    with Store(store) as opened:
        after = {one.id: one.record.finished_at for one in opened.outcomes()}
    assert len(after) == trials
    assert before.items() <= after.items(), "nothing that was stored is fitted again"
    done = begun - (2 if "--jobs" in words else 1)  # what was being fitted has to be begun anew
    assert len(diary.read_text().split()) - begun <= fits - done
    assert f"0 fitted, {trials} already there" in CliRunner().invoke(main, asked).stderr


_GROUP = (
    "import os, sys; os.environ['RUN_GROUP'] = str(os.getpgrp()); from harness.commands import main; main(sys.argv[1:])"
)
