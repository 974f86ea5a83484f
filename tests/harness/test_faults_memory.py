"""Fits that run out of memory or diverge: they are errors with their reason, or go on with a smaller batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from harness.commands import main
from harness.trials.store import Store
from harness.trials.trial import Outcome

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, dots_plugin: Path) -> Run:
    """`harness run` of a model whose batches of more than `fits` images are more than its memory holds."""
    plugin = tmp_path / "greedy.py"
    greedy = """if run.batch_size > self.fits and run.seed == 1:
            assert all(model() is None for model in FAILED), "memory of an earlier attempt is still held"
            FAILED.append(weakref.ref(self))
            RAISE
        assert encoder is not None"""
    source = dots_plugin.read_text().replace('diary: str = ""', 'diary: str = ""\n    fits: int = 12')
    source = source.replace("import numpy as np", "import weakref\nimport numpy as np\nFAILED = []")
    # What a batch does to a model, so that another batch gives other scores.
    source = source.replace("normal(0, 0.01)", "normal(0, 0.01 / run.batch_size)")

    def call(*arguments: str, fits: int = 12, how: str = "cuda", jobs: int = 1, store: str = "runs") -> Result:
        raising = {
            "cuda": "import torch; raise torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 20.00 MiB.')",
            "torch": "import torch; torch.empty(2**50)",
            "numpy": "np.ones(2**50)",
            "limit": "import resource; limit = 1 << 30; resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
            "            [np.ones(2**24) for _ in range(64)]",
            "bug": "raise ValueError('no memory of that')",
        }[how]
        plugin.write_text(source.replace("assert encoder is not None", greedy.replace("RAISE", raising)))
        words = [
            "run",
            "--no-floors",
            "--plugin",
            str(plugin),
            "--store",
            str(tmp_path / store),
            "--device",
            "cpu",
            "--dataset",
            "dots",
        ]
        words += ["--models", f"trained[fits={fits},diary={tmp_path / 'diary'}]", "--encoders", "plain"]
        words += ["--losses", "absolute", "--thresholds", "highest", "--categories", "large", "--seeds", "0,1,2"]
        return CliRunner().invoke(main, [*words, "--jobs", str(jobs), *arguments])

    return call


def stored(folder: Path) -> dict[int, Outcome]:
    with Store(folder) as opened:
        return {outcome.trial.seed: outcome for outcome in opened.outcomes()}


@pytest.mark.parametrize("how", ["cuda", "torch", "numpy"])
def test_out_of_memory_is_an_error_that_says_what_helps_and_the_others_go_on(
    run: Run, tmp_path: Path, how: str
) -> None:
    result = run(how=how)
    assert result.exit_code == 3
    assert "Traceback" not in result.output
    outcomes = stored(tmp_path / "runs")
    assert [outcomes[seed].status for seed in range(3)] == ["done", "error", "done"]
    assert outcomes[1].reason.endswith("; try --batch-size auto")
    assert outcomes[1].trial.batch_size == 32


@pytest.mark.slow
def test_a_worker_that_reaches_the_limit_of_its_memory_costs_its_own_trial(run: Run, tmp_path: Path) -> None:
    result = run(how="limit", jobs=2)
    assert result.exit_code == 3, result.output
    outcomes = stored(tmp_path / "runs")
    assert [outcomes[seed].status for seed in range(3)] == ["done", "error", "done"]
    assert "Unable to allocate 128. MiB" in outcomes[1].reason


@pytest.mark.parametrize("how", ["cuda", "torch", "numpy"])
@pytest.mark.parametrize("jobs", [1, 2])
def test_an_automatic_batch_is_halved_until_it_fits_and_gives_what_that_batch_gives(
    run: Run, tmp_path: Path, how: str, jobs: int
) -> None:
    result = run("--batch-size", "auto", how=how, jobs=jobs)
    assert result.exit_code == 0, result.output
    outcomes = stored(tmp_path / "runs")
    assert [outcomes[seed].trial.batch_size for seed in range(3)] == [32, 8, 32]
    assert outcomes[1].record.asked_batch_size == 32
    assert outcomes[0].record.asked_batch_size is None
    assert "with batches of 8 for want of memory" in result.stderr
    assert run("--batch-size", "8", store="eight").exit_code == 0
    eight = stored(tmp_path / "eight")[1]
    assert eight.id == outcomes[1].id, "what is stored is the trial with that batch, however it came about"
    assert np.array_equal(eight.evidence.test["mean"], outcomes[1].evidence.test["mean"])
    assert not np.array_equal(eight.evidence.test["mean"], outcomes[0].evidence.test["mean"])


def test_what_was_fitted_with_a_smaller_batch_is_found_again(run: Run, tmp_path: Path) -> None:
    run("--batch-size", "auto")
    fits = (tmp_path / "diary").read_text()
    again = run("--batch-size", "auto")
    assert "0 fitted, 3 already there" in again.stderr
    assert (tmp_path / "diary").read_text() == fits
    whole = run()
    assert "0 fitted, 2 already there, 1 skipped or failed" in whole.stderr, "32 is another trial"


def test_rows_of_different_batches_are_told_apart(run: Run) -> None:
    shown = run("--batch-size", "auto", "--format", "md").stdout
    assert "batch size" in shown.replace("_", " ")
    assert len([line for line in shown.splitlines() if "trained" in line and "|" in line]) == 2


def test_where_not_even_one_image_fits_the_error_says_so(run: Run, tmp_path: Path) -> None:
    result = run("--batch-size", "auto", fits=0)
    assert result.exit_code == 3
    outcome = stored(tmp_path / "runs")[1]
    assert outcome.status == "error"
    assert outcome.trial.batch_size == 32
    assert outcome.reason.startswith("OutOfMemoryError: CUDA out of memory")
    assert outcome.reason.endswith("one image a batch")


def test_other_errors_are_not_tried_again(run: Run, tmp_path: Path) -> None:
    result = run("--batch-size", "auto", how="bug")
    assert result.exit_code == 3
    assert "ValueError: no memory of that" in stored(tmp_path / "runs")[1].reason
    assert "batch" not in stored(tmp_path / "runs")[1].reason
    assert (tmp_path / "diary").read_text().count("absolute 1") <= 1


@pytest.mark.parametrize("size", ["0", "-1", "many", "1.5"])
def test_a_batch_is_a_number_of_images_or_auto(run: Run, size: str) -> None:
    result = run("--batch-size", size)
    assert result.exit_code == 2
    assert "--batch-size" in result.stderr


def test_a_configuration_can_ask_for_an_automatic_batch(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bench.toml").write_text('batch-size = "auto"')
    assert run("--config", str(tmp_path / "bench.toml")).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "last"), [("1e30", "nan"), ("1e6", "inf")])
def test_a_loss_that_explodes_is_an_error_with_its_epoch_and_no_scores(tmp_path: Path, rate: str, last: str) -> None:
    words = [
        "run",
        "--no-floors",
        "--store",
        str(tmp_path / "runs"),
        "--dataset",
        "synthetic[n_train=8]",
        "--categories",
        "tile",
    ]
    words += ["--models", "feature_ae,dae", "--encoders", "conv", "--losses", "mse", "--image-size", "32"]
    words += ["--epochs", "3", "--precision", "fp32", "--lr", rate, "--jobs", "1", "--device", "cpu"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 3, result.output
    with Store(tmp_path / "runs") as opened:
        outcomes = list(opened.outcomes())
    assert [outcome.status for outcome in outcomes] == ["error", "error"]
    for outcome in outcomes:
        assert f"loss is {last}" in outcome.reason or "loss is nan" in outcome.reason
        assert "in epoch " in outcome.reason
        assert outcome.evidence is None
