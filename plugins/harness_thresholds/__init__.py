"""Thresholds that set a limit from normal images, and one that uses the test labels."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Threshold, hookimpl
from harness_thresholds.guarantees import Conformal, Tolerance
from harness_thresholds.limits import Mean, MeanStd, MedianMad, Quantile
from harness_thresholds.oracle import F1Oracle
from harness_thresholds.tail import Pot


@hookimpl
def harness_thresholds() -> Iterable[type[Threshold]]:
    """The built-in thresholds."""
    return [Mean, MeanStd, MedianMad, Pot, Quantile, Conformal, Tolerance, F1Oracle]
