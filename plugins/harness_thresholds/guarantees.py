"""Limits that keep a promise about false alarms, if the scores are of images that were not fitted.

Both take one of the scores themselves, so that nothing is assumed of how scores are distributed; only that new normal
images come from where the calibration's come from. Too few scores are refused: their highest would promise nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness import FloatArray, Threshold, TooFewError, conformal_place, images_needed, spell, tolerance_place
from harness_thresholds.limits import ascending, ascending_rows, expect


@dataclass
class Conformal(Threshold):
    """The lowest score that keeps false alarms on new normal images at a share `alpha` or less, on average."""

    name = "conformal"
    licence = "MIT"
    source = "Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005, proposition 2.4"
    version = 2  # 1 gave the highest score where there were too few
    alpha: float = 0.05

    def __post_init__(self) -> None:
        expect(0 < self.alpha < 1, f"alpha is {self.alpha:g}, expected a number between 0 and 1")

    def fit(self, normal: FloatArray) -> float:
        """The k-th lowest score, k = (1 - alpha)(n + 1) rounded up. Raises TooFewError below 1/alpha - 1 scores.

        A new image that was not fitted is as likely to fall into each of the n + 1 gaps between the scores, which
        `quantile` does not count with.
        """
        scores = ascending(normal)
        place = conformal_place(len(scores), self.alpha)
        if place is None:
            needed = math.ceil(round(1 / self.alpha, 9)) - 1
            raise _too_few(self, len(scores), needed, 1 / (len(scores) + 1))
        return float(scores[place - 1])

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The same of each row."""
        scores = ascending_rows(normal)
        place = conformal_place(scores.shape[1], self.alpha)
        return scores[:, place - 1] if place is not None else super().fit_many(normal)


@dataclass
class Tolerance(Threshold):
    """The lowest score that at most a share `alpha` of new normal images exceeds, with this `confidence`."""

    name = "tolerance"
    licence = "MIT"
    source = "Wilks, Annals of Mathematical Statistics 12 (1941) 91, https://doi.org/10.1214/aoms/1177731788"
    alpha: float = 0.05
    confidence: float = 0.95

    def __post_init__(self) -> None:
        expect(0 < self.alpha < 1, f"alpha is {self.alpha:g}, expected a number between 0 and 1")
        expect(0 < self.confidence < 1, f"confidence is {self.confidence:g}, expected a number between 0 and 1")

    def fit(self, normal: FloatArray) -> float:
        """The score. Raises TooFewError where even the highest promises less: 59 are needed for 5 %, 299 for 1 %."""
        scores = ascending(normal)
        place = tolerance_place(len(scores), self.alpha, self.confidence)
        if place is None:
            needed = images_needed(self.alpha, self.confidence)
            raise _too_few(self, len(scores), needed, 1 - (1 - self.confidence) ** (1 / len(scores)))
        return float(scores[place - 1])

    def fit_many(self, normal: FloatArray) -> FloatArray:
        """The same of each row."""
        scores = ascending_rows(normal)
        place = tolerance_place(scores.shape[1], self.alpha, self.confidence)
        return scores[:, place - 1] if place is not None else super().fit_many(normal)


def _too_few(threshold: Conformal | Tolerance, n: int, needed: int, reachable: float) -> TooFewError:
    """What to say where n scores are too few; the highest of them reaches the share `reachable`."""
    share = math.ceil(round(1000 * reachable, 6)) / 1000  # rounded up, so that what is suggested can be kept
    instead = f", or ask for {threshold.name}[alpha={share:g}]" if share < 1 else ""
    return TooFewError(
        f"{spell(threshold)} needs {needed} normal images, and there {'is' if n == 1 else 'are'} {n}: "
        f"collect {needed - n} more{instead}"
    )
