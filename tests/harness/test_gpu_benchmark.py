"""The parts of the GPU benchmark at toy size on a CPU, where their figures mean nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks import gpu
from tests.benchmarks.gpu import Sizes

TOY = Sizes(device="cpu", pixels=32, images=8, batch=4, epochs=1, workers=0)


@pytest.mark.parametrize("loop", ["ours", "usual", "bare"])
def test_each_loop_trains(loop: str) -> None:
    made = {
        "ours": lambda: gpu.ours(TOY, "dae", "conv"),
        "usual": lambda: gpu.usual_loop(TOY),
        "bare": lambda: gpu.bare_loop(TOY),
    }
    assert gpu.rate(made[loop](), TOY.images, TOY.device, rounds=1) > 0


def test_a_profile_counts_operators_and_how_much_of_the_time_they_take() -> None:
    found = gpu.profiled(gpu.ours(TOY, "cae", "conv"), TOY.device)
    assert found.launches > 100
    assert 0 < found.share <= 1


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 9)), max_size=8))
def test_what_spans_cover_is_counted_once(spans: list[tuple[int, int]]) -> None:
    covered = {moment for start, length in spans for moment in range(start, start + length)}
    assert gpu._covered((start, start + length) for start, length in spans) == len(covered)


def test_scores_of_two_ways_can_be_compared_and_switches_are_put_back(tmp_path: Path) -> None:
    found = gpu.scores(TOY, tmp_path / "1", 1, models="dae", seeds="0")
    with gpu.set_to(HARNESS_CUDA_GRAPH="off"):
        assert os.environ["HARNESS_CUDA_GRAPH"] == "off"
        assert gpu.scores(TOY, tmp_path / "2", 1, models="dae", seeds="0") == found
    assert "HARNESS_CUDA_GRAPH" not in os.environ
    assert len(found) >= 3, "every pool"


def test_the_time_of_the_tables_follows_from_short_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "trial_seconds", lambda *_: 2 + 3 * _[-1])
    images, bottle = sum(train for train, _ in gpu.COUNTS.values()), gpu.COUNTS["bottle"][0]
    expected = 2 * (5 * 2 + 50 * 3 * images / bottle)
    assert gpu.extrapolated(TOY, [("dae", "conv", "mse"), ("cae", "conv", "mse")]) == pytest.approx(expected)


def test_a_trial_as_large_as_one_of_the_tables_is_timed() -> None:
    assert gpu.trial_seconds(TOY, "dae", "conv", "mse", 1) > 0
