"""The threshold against distributions whose tail is known."""

from __future__ import annotations

import numpy as np
import pytest
from anomaly_vae import Tail


@pytest.mark.parametrize("draw", ["exponential", "normal", "uniform"])
def test_the_false_alarm_rate_is_near_the_risk(draw):
    rng = np.random.default_rng(0)
    seen, unseen = getattr(rng, draw)(size=2000), getattr(rng, draw)(size=200_000)
    for risk in (0.05, 0.01, 0.002):
        rate = float(np.mean(unseen > Tail(risk=risk).fit(seen)))
        assert risk / 2 < rate < 2 * risk


def test_a_rarer_alarm_than_the_scores_are_many_lies_above_all_of_them():
    scores = np.random.default_rng(1).exponential(size=500)
    assert Tail(risk=1e-5).fit(scores) > scores.max()


def test_a_risk_above_the_share_of_the_tail_is_refused():
    with pytest.raises(ValueError, match=r"risk is 0\.5 and share 0\.2, expected 0 < risk < share < 1"):
        Tail(risk=0.5)
