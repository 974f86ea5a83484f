"""Names of metrics as people read them."""

from __future__ import annotations


def in_words(metric: str) -> str:
    """`balanced accuracy` for `balanced_accuracy`; what stands in brackets is spelt as it has to be typed."""
    name, bracket, options = metric.partition("[")
    return name.replace("_", " ") + bracket + options
