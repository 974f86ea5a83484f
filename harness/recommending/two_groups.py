"""Whether good photos fall into two groups, such as two kinds of part, two cameras, or two sides of a part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from harness.api import Finding, Images
from harness.audit.duplicates import small_grey

_APART = 0.6
"""Two groups are reported if they explain more than this share of the spread. A single round cloud has less."""
_FEWEST = 8
_LEAST = 3
"""The least size of the smaller group. One or two photos are outliers, which their scores show."""
_ROUNDS = 20


def two_groups(good: Images) -> Iterator[Finding]:
    """A finding where two groups explain most of how the photos differ, by their small grey images (2-means)."""
    if len(good) < _FEWEST:
        return
    points = small_grey(good.pixels).astype(np.float64)
    points -= points.mean(axis=0)
    spread = float(np.square(points).sum())
    if not spread:
        return
    direction = np.linalg.svd(points, full_matrices=False)[2][0]
    second = points @ direction > 0
    for _ in range(_ROUNDS):
        centres = [points[second == one].mean(axis=0) for one in (False, True)]
        gaps = [np.square(points - centre).sum(axis=1) for centre in centres]
        moved = gaps[1] < gaps[0]
        if (moved == second).all() or not 0 < moved.sum() < len(points):
            break
        second = moved
    groups = [points[second == one] for one in (False, True)]
    within = sum(float(np.square(group - group.mean(axis=0)).sum()) for group in groups)
    sizes = sorted((int(second.sum()), int((~second).sum())), reverse=True)
    if 1 - within / spread > _APART and sizes[1] >= _LEAST:
        first = [good.paths[int(np.flatnonzero(second == one)[0])] for one in (True, False)]
        sentence = (
            f"The good photos fall into two groups of {sizes[0]} and {sizes[1]} that look different: if these are two "
            "kinds of part, or two cameras, fit a detector to each."
        )
        yield Finding("two_groups", sentence, grave=True, count=sizes[1], examples=tuple(first))
