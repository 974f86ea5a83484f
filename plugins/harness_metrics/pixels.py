"""Metrics of error maps against masks, from the counts that every trial keeps: any limit, any defect kind, no fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness import PixelCounts, PixelMetric, pixel_curves

_NAN = float("nan")


@dataclass
class Aupro(PixelMetric):
    """Mean share found of each defective region, over the rates of false alarms in normal pixels up to `max_fpr`."""

    name = "aupro"
    title = "AUPRO"
    licence = "MIT"
    source = "https://doi.org/10.1007/s11263-020-01400-4"

    max_fpr: float = 0.3
    """The false positive rate up to which regions are found, above 0 and at most 1; MVTec AD 2 has 0.05."""
    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """In [0, 1]; half of `max_fpr` is what chance scores."""
        return _number(pixel_curves.aupro(pixels, self.max_fpr))


@dataclass
class PixelAuroc(PixelMetric):
    """Chance that a defective pixel scores above a normal one, ties counting half."""

    name = "pixel_auroc"
    title = "pixel AUROC"
    licence = "MIT"
    source = "Bergmann, Fauser, Sattlegger and Steger, CVPR 2019, doi:10.1109/CVPR.2019.00982"

    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """In [0, 1]; one half is what chance scores."""
        return _number(pixel_curves.auroc(pixels))


@dataclass
class PixelAveragePrecision(PixelMetric):
    """Precision averaged over the defective pixels as the limit falls, ties together."""

    name = "pixel_average_precision"
    title = "pixel AP"
    licence = "MIT"
    source = "scikit-learn, average_precision_score"
    version = pixel_curves.VERSIONS["pixel_average_precision"]

    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """In [0, 1]; the share of defective pixels is what chance scores."""
        return _number(pixel_curves.average_precision(pixels))


@dataclass
class PixelF1(PixelMetric):
    """F1 of pixels at the limit where it is largest. Only the masks tell that limit, and no other has a higher F1."""

    name = "pixel_f1"
    title = "pixel F1 (best)"
    licence = "MIT"
    source = "Chinchor, MUC-4 1992, doi:10.3115/1072064.1072067"

    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """In [0, 1]."""
        best = pixel_curves.best_f1(pixels)
        return _NAN if best is None else best.f1


@dataclass
class PixelF1Limit(PixelMetric):
    """The limit at which F1 of pixels is largest: a pixel that scores above it is called defective."""

    name = "pixel_f1_limit"
    title = "limit of pixel F1"
    licence = "MIT"
    source = "Chinchor, MUC-4 1992, doi:10.3115/1072064.1072067"
    range: ClassVar[tuple[float, float]] = (float("-inf"), float("inf"))

    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """On the scale of the error maps; it ranks nothing."""
        best = pixel_curves.best_f1(pixels)
        return _NAN if best is None else best.limit


@dataclass
class PixelIou(PixelMetric):
    """Intersection over union of defective pixels and those above a limit."""

    name = "pixel_iou"
    title = "pixel IoU"
    licence = "MIT"
    source = "Everingham et al., IJCV 2010, doi:10.1007/s11263-009-0275-4"

    limit: float | None = None
    """On the scale of the error maps; None takes the best, which only the masks tell."""
    defect: str = ""
    """The defect kind that counts, beside good images; empty for all."""

    def value(self, pixels: PixelCounts) -> float:
        """In [0, 1]."""
        if self.limit is not None:
            return _number(pixel_curves.iou(pixels, self.limit))
        best = pixel_curves.best_f1(pixels)
        return _NAN if best is None else best.iou


def _number(value: float | None) -> float:
    return _NAN if value is None else value
