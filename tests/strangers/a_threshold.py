"""A stranger's thresholds, written against contract 1: one from normal scores, and one that needs test labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness import BoolArray, FloatArray, OracleThreshold, Threshold, hookimpl


@dataclass
class StrangerHighest(Threshold):
    """The highest normal score, and a margin."""

    name = "stranger_highest"
    licence = "MIT"
    margin: float = 0.0
    of: Literal["highest", "second"] = "highest"

    def fit(self, normal: FloatArray) -> float:
        ordered = sorted(normal.tolist())
        return (1 + self.margin) * (ordered[-1] if self.of == "highest" else ordered[max(0, len(ordered) - 2)])


class StrangerMidpoint(OracleThreshold):
    """Half way between the means of the two classes."""

    name = "stranger_midpoint"
    licence = "MIT"

    def fit_oracle(self, scores: FloatArray, labels: BoolArray) -> float:
        classes = [scores[chosen].mean() for chosen in (labels, ~labels) if chosen.any()]
        return float(sum(classes) / len(classes))


@hookimpl
def harness_thresholds():
    return [StrangerHighest, StrangerMidpoint]
