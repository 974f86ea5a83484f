"""Image-level metrics: rates of right decisions at a limit, and how well scores part the two classes without one."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Metric, hookimpl
from harness_metrics.decisions import F1, AbnormalRate, Accuracy, BalancedAccuracy, NormalRate
from harness_metrics.ranking import Auroc, AveragePrecision


@hookimpl
def harness_metrics() -> Iterable[type[Metric]]:
    """The built-in metrics of images."""
    return [NormalRate, AbnormalRate, Accuracy, BalancedAccuracy, F1, Auroc, AveragePrecision]
