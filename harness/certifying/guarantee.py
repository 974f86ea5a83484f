"""What a limit promises, whether photos bear it out, and whether its assumptions hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.api import BoolArray, FloatArray
from harness.deployment.detector import Detector
from harness.errors import ModelError
from harness.metrics.guarantees import at_most
from harness.metrics.same_distribution import same_distribution
from harness.metrics.significance import holm

CALIBRATION, UNSEEN, TODAY = "calibration", "unseen", "today"
_DIFFERENT = 0.05


@dataclass(frozen=True)
class Errors:
    """How many photos were judged wrongly, and an upper bound of that share with 95 % confidence."""

    wrong: int
    of: int
    at_most: float


@dataclass(frozen=True)
class Compared:
    """A test of whether the scores of two groups of normal photos come from one distribution."""

    first: str
    second: str
    p: float
    p_holm: float
    """Corrected for the number of pairs."""

    @property
    def differ(self) -> bool:
        """Whether the two differ significantly at 5 %."""
        return self.p_holm < _DIFFERENT


@dataclass(frozen=True)
class Guarantee:
    """What the limit promises, and what photos say about it."""

    threshold: str
    limit: float
    calibrated_on: str
    """`holdout`, `crossfit`, `validation` or `fitted`; empty for older models, which did not record it."""
    unfitted: bool
    """Whether the limit was set on photos that were not fitted. Otherwise nothing is promised."""
    calibration: int
    above: int
    """Calibration scores above the limit."""
    promised: float | None
    """The share of false alarms, on average over samples like the calibration photos. It allows for the choice of the
    detector by the same photos. None if nothing is promised, because those photos were fitted or the limit is not one
    of their scores."""
    promised_at_most: float | None
    """The share of false alarms that this model stays below, with 95 % confidence. None, too, if the same photos chose
    the detector by a rule that bounds only the average."""
    by_rank: float | None
    """What `promised` would be if the calibration photos had not chosen the detector; None if they have not."""
    false_alarms: Errors
    """On normal photos that the model never saw."""
    false_alarms_today: Errors | None
    misses: Errors | None
    """On bad photos; None if there are none."""
    compared: tuple[Compared, ...]
    scores: Mapping[str, tuple[float, ...]]
    """The sorted scores of each group, including `bad`, to 6 digits, to be drawn."""


def calibration_of(detector: Detector) -> FloatArray:
    """The scores that the limit was set on. Raises ModelError if the model did not keep them."""
    scores = detector.saved.calibration[detector.pool]
    if not len(scores):
        raise ModelError(
            f"the model holds no calibration scores of pool {detector.pool!r}: what its limit promises cannot be said; "
            "keep it again with `harness run --keep-models`"
        )
    return scores


def guarantee(detector: Detector, scores: Mapping[str, FloatArray], seed: int) -> Guarantee:
    """The guarantee, from scores by group: normal photos `unseen`, those of `today` if there are any, and `bad`."""
    saved, calibration = detector.saved, calibration_of(detector)
    groups = {CALIBRATION: calibration, **{name: scores[name] for name in (UNSEEN, TODAY) if name in scores}}
    above = int((calibration > detector.limit).sum())
    n = len(calibration)
    ranked = saved.unfitted and bool((calibration == detector.limit).any())
    promised, bound = ((above + 1) / (n + 1), at_most(above, n)) if ranked else (None, None)
    by_rank, chosen = None, saved.chosen
    if chosen and promised is not None:
        by_rank, promised, bound = promised, max(promised, chosen.share), chosen.at_most
    return Guarantee(
        threshold=detector.threshold,
        limit=detector.limit,
        calibrated_on=saved.calibrated_on,
        unfitted=saved.unfitted,
        calibration=n,
        above=above,
        promised=promised,
        promised_at_most=bound,
        by_rank=by_rank,
        false_alarms=_errors(scores[UNSEEN] > detector.limit),
        false_alarms_today=_errors(scores[TODAY] > detector.limit) if TODAY in scores else None,
        misses=_errors(scores["bad"] <= detector.limit) if len(scores["bad"]) else None,
        compared=_compared(groups, seed),
        scores={name: _short(one) for name, one in {**groups, "bad": scores["bad"]}.items()},
    )


def _compared(groups: Mapping[str, FloatArray], seed: int) -> tuple[Compared, ...]:
    pairs = list(combinations(groups, 2))
    p = [same_distribution(groups[first], groups[second], seed) for first, second in pairs]
    return tuple(Compared(*pair, one, held) for pair, one, held in zip(pairs, p, holm(p), strict=True))


def _errors(wrong: BoolArray) -> Errors:
    k, n = int(wrong.sum()), len(wrong)
    return Errors(k, n, at_most(k, n))


def _short(scores: FloatArray) -> tuple[float, ...]:
    return tuple(float(f"{one:.6g}") for one in np.sort(scores))
