"""In float32 on a CPU scores do not depend on how trials were run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from harness.trials import hardware
from harness.trials.store import Store
from harness.trials.trial import Outcome


def run(store: Path, jobs: int, **environ: str) -> list[Outcome]:
    """What `harness run` keeps of two small fits, with the threads that the machine's own rules give them."""
    words = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "--no-floors",
        "--store",
        str(store),
        "--dataset",
        "synthetic[n_train=8]",
    ]
    words += ["--categories", "bottle", "--models", "dae", "--encoders", "conv", "--losses", "mse", "--seeds", "0,1"]
    words += ["--image-size", "64", "--epochs", "1", "--batch-size", "8", "--device", "cpu", "--precision", "fp32"]
    inherited = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [*words, "--jobs", str(jobs)], env={**inherited, **environ}, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with Store(store) as opened:
        return list(opened.outcomes())


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory) -> list[Outcome]:
    return run(tmp_path_factory.mktemp("one by one"), 1)


@pytest.mark.slow
@pytest.mark.parametrize("environ", [{}, {"MKL_NUM_THREADS": "2"}], ids=["as it is", "MKL_NUM_THREADS=2"])
def test_float32_scores_are_equal_to_the_last_bit_for_any_number_of_jobs(
    tmp_path: Path, one_by_one: list[Outcome], environ: dict[str, str]
) -> None:
    side_by_side = run(tmp_path / "2", 2, **environ)
    assert [outcome.trial.seed for outcome in side_by_side] == [0, 1]
    for alone, crowded in zip(one_by_one, side_by_side, strict=True):
        assert alone.id == crowded.id
        for pool, scores in alone.evidence.test.items():
            assert np.array_equal(scores, crowded.evidence.test[pool])
            assert np.array_equal(alone.evidence.normal[pool], crowded.evidence.normal[pool])
        assert alone.record.threads == crowded.record.threads


@pytest.mark.slow
def test_the_record_has_the_threads_that_a_person_asked_for(tmp_path: Path) -> None:
    asked = hardware.cores()
    outcomes = run(tmp_path / "store", 2, OMP_NUM_THREADS=str(asked))
    assert [outcome.record.threads for outcome in outcomes] == [asked, asked]


@pytest.mark.parametrize(
    ("cores", "asked", "precision", "jobs", "threads"),
    [
        (1, None, "fp32", 1, 1),
        (2, None, "fp32", 1, 1),
        (2, None, "fp32", 2, 1),
        (16, None, "fp32", 1, 4),
        (16, None, "fp32", 4, 4),
        (16, None, "fp32", 16, 4),
        (16, None, "bf16", 1, None),
        (16, None, "bf16", 8, 2),
        (16, "3", "bf16", 8, 3),
        (16, "3", "fp32", 1, 3),
        (2, "64", "fp32", 1, 2),
        (2, "4,2", "fp32", 1, 1),
        (2, "0", "fp32", 1, 1),
    ],
)
def test_threads_are_a_rule_of_machine_and_precision_and_in_float32_never_of_jobs(
    monkeypatch: pytest.MonkeyPatch, cores: int, asked: str | None, precision: str, jobs: int, threads: int | None
) -> None:
    monkeypatch.setattr(hardware, "cores", lambda: cores)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert hardware.threads("cpu", precision, jobs) == threads


def test_a_limit_of_threads_holds_within_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    def blas() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before, blas_before = torch.get_num_threads(), blas()
    with hardware.limited_to(before + 1):
        assert hardware.threads_in_use() == before + 1
        assert os.environ["OMP_NUM_THREADS"] == str(before + 1)
        assert blas() == {before + 1}
    assert torch.get_num_threads() == before
    assert blas() == blas_before
    assert "OMP_NUM_THREADS" not in os.environ
    with hardware.limited_to(None):
        assert torch.get_num_threads() == before


def test_the_threads_that_a_person_asked_for_are_asked_for_again_after_a_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    with hardware.limited_to(1):
        assert os.environ["OMP_NUM_THREADS"] == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    with pytest.raises(MemoryError), hardware.limited_to(1):
        raise MemoryError
    assert os.environ["OMP_NUM_THREADS"] == "7", "a fit that fails leaves it as it was, too"
