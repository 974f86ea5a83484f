"""Every command that the READMEs for users print, run as printed; `test_readme_line.py` walks the way to the line."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from harness.commands import main
from harness.trials.store import Store
from harness.verification.keys import signer

ROOT = Path(__file__).parents[2]
SMALL = ["--image-size", "32", "--epochs", "1", "--batch-size", "4", "--jobs", "1", "--device", "cpu"]
"""Added to what is printed, which takes minutes or hours."""
FEW = "synthetic[n_train=12,n_test_good=4,n_test_defective=6]"
FEWEST = "synthetic[n_train=4,n_test_good=2,n_test_defective=3]"
"""For commands that fit the networks of the paper."""
WALKED_ELSEWHERE = {"predict": "test_readme_line.py", "pack": "test_readme_line.py", "latency": "test_readme_line.py"}


def printed(page: str) -> list[list[str]]:
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    found = [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("    harness ")]
    return [words for words in found if words[0] not in WALKED_ELSEWHERE and "ray" not in words]


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], Result]:
    """Runs one command where the images are that a reader would have; published weights are out of reach."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_OFFLINE", "1")
    rng = np.random.default_rng(0)
    for root in ("mvtec_ad/bottle", "mvtec_ad/pill", "my_parts"):
        for folder in ("train/good", "test/good", "test/crack", "ground_truth/crack"):
            for index in range(4):
                file = Path(root) / folder / f"{index:03}{'_mask' * ('ground' in folder)}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                shape = (40, 40) if "ground" in folder else (40, 40, 3)
                Image.fromarray(rng.integers(0, 255, shape, dtype=np.uint8)).save(file)
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    Path("glow.py").write_text(code, encoding="utf-8")
    Path("weights").mkdir()

    def run(words: list[str]) -> Result:
        words = [str(tmp_path / "mvtec_ad") if word == "/data/mvtec_ad" else word for word in words]
        if words[0] == "run":
            words += SMALL if "--data-root" in words else [*SMALL, "--categories", "tile"]
            large = "all" in words or "--models" not in words
            words += [] if {"--data-root", "--dataset"} & {*words} else ["--dataset", FEWEST if large else FEW]
        if words[0] == "data" and "--write" in words:
            words += ["--image-size", "64"]
        if words[0] == "recommend":
            words += ["--image-size", "32", "--minutes", "0.001"]
        if words[0] == "certify" and "--check" not in words:
            words += ["--most", "4", "--sizes", "0.1,0.3", "--contrasts", "0.5", "--engines", "none"]
        if words[0] == "reproduce":
            with Store(Path("runs")) as store:
                whole = (o for o in store.outcomes() if o.status == "done" and o.trial.dataset == "mvtec_ad")
                words[1] = next(whole).id[:8]
        return CliRunner().invoke(main, words)

    return run


FIRST_PAGES = (
    "README.md",
    "harness/trials/README.md",
    "harness/report/README.md",
    "harness/verdicts/README.md",
    "plugins/harness_autoencoders/README.md",
)
"""In the order in which they are read: what the first one stores, the others go on with."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's, of itself
def test_every_command_of_the_first_pages_does_what_it_is_shown_for(walk) -> None:
    lacks_weights = ["--data-root", "/data/mvtec_ad", "--models", "dae,cae", "--encoders", "all"]
    finds_faults = ["validate", "kumar_2025"]
    for page in FIRST_PAGES:
        commands = printed(page)
        assert commands, page
        for words in commands:
            done = walk(words)
            expected = 3 if words[1:] == lacks_weights else 1 if words == finds_faults else 0
            assert (done.exit_code, bool(done.output)) == (expected, True), f"{page}: {words}\n{done.output}"
    assert Path("report.html").stat().st_size > 100_000
    assert Path("events.jsonl").read_text().count("\n") > 5
    assert Path("mlflow.db").exists()


@pytest.mark.slow
def test_every_command_of_the_leaderboards_page_does_what_it_is_shown_for(walk) -> None:
    for models in ("dae", "cae"):
        assert walk(["run", "--models", models, "--losses", "mse"]).exit_code == 0
        shutil.copytree("runs", "others", dirs_exist_ok=True)
    assert walk(["export", "--out", "theirs.jsonl", "--store", "others"]).exit_code == 0
    for words in printed("leaderboards/README.md"):
        done = walk(words)
        assert done.exit_code == (1 if words == ["validate", "kumar_2025"] else 0), f"{words}\n{done.output}"
    assert Path("both.jsonl").stat().st_size > 0
    assert Path("all").is_dir()


def test_every_command_of_the_audit_s_page_does_what_it_is_shown_for(walk) -> None:
    for words in printed("harness/audit/README.md"):
        done = walk(words)
        assert (done.exit_code, "findings" in done.output) == (0, True), f"{words}\n{done.output}"


def test_every_command_of_the_recommending_page_does_what_it_is_shown_for(walk) -> None:
    words = ["data", "--dataset", "synthetic", "--categories", "tile", "--image-size", "32", "--write", "parts"]
    assert walk(words).exit_code == 0
    for words in printed("harness/recommending/README.md"):
        done = walk(words)
        assert (done.exit_code, "made again" in done.output) == (0, True), f"{words}\n{done.output}"


def test_every_command_of_the_certifying_page_does_what_it_is_shown_for(walk) -> None:
    for folder, seed in (("parts", 0), ("more_parts", 1)):
        drawn = f"--dataset synthetic[seed={seed}] --categories tile --image-size 32 --write {folder}"
        assert walk(["data", *drawn.split()]).exit_code == 0
    assert walk(["recommend", "parts"]).exit_code == 0
    for words in printed("harness/certifying/README.md"):
        done = walk(words)
        assert done.exit_code == 0, f"{words}\n{done.output}"
    assert done.stdout.startswith("equal: every finding came out again")


def test_every_command_of_the_conventions_page_does_what_it_is_shown_for(walk) -> None:
    for words in printed("harness/conventions/README.md"):
        done = walk(words)
        assert (done.exit_code, bool(done.output)) == (0, True), f"{words}\n{done.output}"


def test_every_command_of_the_pages_on_trust_does_what_it_is_shown_for(walk) -> None:
    for words in printed("leaderboards/submit.md"):
        done = walk(words)
        assert (done.exit_code, bool(done.output)) == (0, True), f"{words}\n{done.output}"
    shutil.move("mine.jsonl", "theirs.jsonl")
    for words in printed("harness/verification/README.md"):
        if "--trust" in words:
            Path("verify.pub").write_text(signer(Path("verify.pem"))[0].public, encoding="utf-8")
        done = walk(words)
        assert (done.exit_code, bool(done.output)) == (0, True), f"{words}\n{done.output}"
