"""Metrics' names as people write them."""

from __future__ import annotations

ABBREVIATIONS = {"auroc": "AUROC", "aupro": "AUPRO", "spro": "sPRO", "f1": "F1", "iou": "IoU"}


def in_words(metric: str) -> str:
    """`balanced accuracy`, `pixel AUROC`; one with options is spelt as it has to be typed, `aupro[max_fpr=0.05]`."""
    if "[" in metric:
        return metric
    return " ".join(ABBREVIATIONS.get(word, word) for word in metric.split("_"))
