"""Where the part is in a photo: what differs from the colour of the photo's border."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_LEAST, _MOST = 0.05, 0.95
"""Shares of the photo: a part that seems smaller or larger than these is not told from the background."""
_BORDER = 3


def foreground(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(H, W, 3) to (H, W), True on the part that was photographed; everywhere where no background is told from it."""
    from scipy.ndimage import binary_fill_holes, label

    values = pixels.astype(np.float32)
    border = np.concatenate([values[:_BORDER].reshape(-1, 3), values[-_BORDER:].reshape(-1, 3)])
    distance = np.abs(values - np.median(border, axis=0)).max(axis=2)
    mask = binary_fill_holes(distance > _otsu(distance))
    labels, count = label(mask)
    if count:
        mask = labels == 1 + int(np.bincount(labels.reshape(-1))[1:].argmax())
    return mask if _LEAST < mask.mean() < _MOST else np.ones(mask.shape, dtype=bool)


def _otsu(values: NDArray[np.float32]) -> float:
    """The limit that parts values into two groups with the least spread within them: Otsu, 1979."""
    counts, edges = np.histogram(values, 64)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    total = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (total / below - (total[-1] - total) / above) ** 2
    return float(edges[1 + int(np.nan_to_num(between[:-1]).argmax())])
