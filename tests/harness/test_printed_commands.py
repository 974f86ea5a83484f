"""Whatever command is printed can be pasted into a shell, however strange the names in it are."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.commands import main
from harness.plugin.in_process import some_of
from harness.printable import command, listed
from harness.trials.repeat import command_of
from harness.trials.setting_kinds import Names
from harness.trials.trial import Trial

STRANGE = ["bolt, M6", "nut[", " x", "x ", "all", "it's", '"quoted"', "$HOME", "a;b", "grün", "*", "plain"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A category of each strange name."""
    one = np.zeros((8, 8, 3), dtype=np.uint8)
    for name in STRANGE:
        for where in ("train/good", "test/good", "test/bad"):
            (tmp_path / "it's data" / name / where).mkdir(parents=True)
            Image.fromarray(one).save(tmp_path / "it's data" / name / where / "0.png")
    return tmp_path / "it's data"


def words_in_bash(line: str, folder: Path) -> list[str]:
    """What a program called harness is given when bash runs this line."""
    program = folder / "harness"
    program.write_text("#!/bin/bash\nprintf '%s\\0' \"$@\"\n")
    program.chmod(0o755)
    given = subprocess.run(
        [shutil.which("bash") or "bash", "-c", line], capture_output=True, text=True, check=True,
        env={"PATH": f"{folder}:/usr/bin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    return given.stdout.split("\0")[:-1]


@pytest.mark.parametrize("names", [STRANGE, *[[name] for name in STRANGE]], ids=str)
def test_the_command_that_makes_a_trial_again_names_just_its_categories(
    names: list[str], data: Path, tmp_path: Path
) -> None:
    trial = Trial("folder", names[0], "padim", "vgg16", "-", 0, 32, 0, 0, 0.0, 0.0, "fp32", "random")
    words = words_in_bash(command_of(trial, categories=names).replace("DATA_ROOT", command(data)), tmp_path)
    done = CliRunner().invoke(main, [*words, "--dry-run", "--format", "csv"])
    assert done.exit_code == 0, done.output
    asked = words[words.index("--categories") + 1]
    assert some_of(Names().read(asked), sorted(STRANGE), "category") == names


def test_the_command_of_a_trial_gives_each_setting_that_is_not_as_usual() -> None:
    plain = Trial("dots", "tile", "padim", "-", "-", 3, 32, 0, 0, 0.0, 0.0, "fp32", "-")
    assert command_of(plain, rootless=["dots"]) == (
        "harness run --dataset dots --categories tile --models padim --seeds 3 --image-size 32 --precision fp32"
    )
    assert command_of(plain, categories=["a", "b"]) == (
        "harness run --dataset dots --data-root DATA_ROOT --categories a,b --models padim --seeds 3 --image-size 32 "
        "--precision fp32"
    )
    trained = Trial(
        "dots", "tile", "dae", "conv", "mse", 0, 64, 5, 8, 1e-4, 0.2, "bf16", "random", calibrate="crossfit"
    )
    assert command_of(trained._replace(shots=4, contaminate=0.05), rootless=["dots"]) == (
        "harness run --dataset dots --categories tile --models dae --encoders conv --losses mse --seeds 0 "
        "--image-size 64 --epochs 5 --batch-size 8 --learning-rate 0.0001 --holdout 0.2 --calibrate crossfit --shots 4 "
        "--contaminate 0.05 --precision bf16 --weights random"
    )


@pytest.mark.parametrize("said", ["leaderboard", "export --out x.jsonl", "report --out x.html"])
def test_commands_in_messages_are_quoted(said: str, tmp_path: Path) -> None:
    store = tmp_path / "it's $HOME"
    done = CliRunner().invoke(main, [*said.split(), "--store", str(store)])
    assert done.exit_code == 2
    (line,) = re.findall(r"`(harness run --store .*?)`", done.stderr)
    assert words_in_bash(line, tmp_path) == ["run", "--store", str(store)]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4, unique=True))
def test_a_list_of_any_names_is_read_as_these(names: list[str]) -> None:
    assert some_of(Names().read(listed(names)), names, "category") == names
    assert some_of(Names().read(names), [*names, "more"], "category") == (
        names if names != ["all"] else ["all", "more"]
    )


def test_a_data_set_without_a_homepage_is_not_to_be_got_from_nowhere() -> None:
    done = CliRunner().invoke(main, ["run", "--dataset", "folder"])
    assert done.exit_code == 2
    assert done.stderr.rstrip().endswith("ground_truth/<defect>/NAME_mask.png or NAME.png.")
