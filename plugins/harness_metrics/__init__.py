"""Metrics of images, at a limit and without one, and of pixels, from error maps and masks."""

from __future__ import annotations

from collections.abc import Iterable

from harness import Metric, hookimpl
from harness_metrics.decisions import F1, AbnormalRate, Accuracy, BalancedAccuracy, NormalRate, Precision
from harness_metrics.pixels import Aupro, PixelAuroc, PixelAveragePrecision, PixelF1, PixelF1Limit, PixelIou
from harness_metrics.ranking import Auroc, AveragePrecision


@hookimpl
def harness_metrics() -> Iterable[type[Metric]]:
    """The built-in metrics of images and of pixels."""
    of_images: list[type[Metric]] = [NormalRate, AbnormalRate, Accuracy, BalancedAccuracy, F1, Auroc, AveragePrecision]
    of_pixels: list[type[Metric]] = [Aupro, PixelAuroc, PixelAveragePrecision, PixelF1, PixelF1Limit, PixelIou]
    return [*of_images, Precision, *of_pixels]
