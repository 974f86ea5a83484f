"""How likely methods differ in practice over categories."""

from __future__ import annotations

import numpy as np
import pytest

from harness.metrics.bayesian_signed_rank import bayesian_signed_rank

DRAWS = np.random.default_rng(7)
SECOND = DRAWS.uniform(0.6, 0.99, 15)
FIRST = SECOND + DRAWS.normal(0.008, 0.015, 15)


@pytest.mark.parametrize(
    ("rope", "by_baycomp"), [(0.005, (0.2015, 0.2718, 0.5267)), (0.01, (0.0004, 0.9734, 0.0262)), (0.02, (0, 1, 0))]
)
def test_the_probabilities_are_those_of_baycomp(rope: float, by_baycomp: tuple[float, float, float]) -> None:
    """baycomp 1.0.3: SignedRankTest.sample(FIRST, SECOND, rope, random_state=1), which region has most mass."""
    assert bayesian_signed_rank(FIRST, SECOND, rope) == pytest.approx(by_baycomp, abs=0.012)


def test_probabilities_add_up_to_one_and_turn_round_with_the_methods() -> None:
    found, other = bayesian_signed_rank(FIRST, SECOND, 0.005), bayesian_signed_rank(SECOND, FIRST, 0.005)
    assert sum(found) == pytest.approx(1)
    assert found == pytest.approx(other[::-1], abs=0.02)


def test_a_wide_region_makes_all_equivalent_and_one_far_apart_is_better() -> None:
    assert bayesian_signed_rank(FIRST, SECOND, 0.5).equivalent == 1
    assert bayesian_signed_rank(SECOND + 0.2, SECOND, 0.01).better > 0.999
    assert bayesian_signed_rank([0.5], [0.5], 0.0).equivalent == 1


@pytest.mark.parametrize(("first", "second", "rope"), [([], [], 0.1), ([1.0], [np.nan], 0.1), ([1.0], [0.5], -1), ([1], [1, 2], 0)])  # fmt: skip
def test_bad_values_are_refused(first: list[float], second: list[float], rope: float) -> None:
    with pytest.raises(ValueError, match="expected finite pairs"):
        bayesian_signed_rank(first, second, rope)
