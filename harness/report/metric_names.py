"""Metrics' names as people write them."""

from __future__ import annotations

ABBREVIATIONS = {"auroc": "AUROC", "aupro": "AUPRO", "spro": "sPRO", "f1": "F1", "iou": "IoU"}


def in_words(metric: str) -> str:
    """`balanced accuracy`, `pixel AUROC`; what stands in brackets is spelt as it has to be typed."""
    name, bracket, options = metric.partition("[")
    return " ".join(ABBREVIATIONS.get(word, word) for word in name.split("_")) + bracket + options
