"""DeLong's test of two AUROCs on the same images, over one fit of each method or several."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.api import FloatArray
from harness.metrics.fits_by_images import Spread, between_fits, smallest_p, two_sided


class Placements(NamedTuple):
    """How well each fit (S) of a method places each image among those of the other class, in [0, 1]."""

    abnormal: FloatArray
    """(S, M): the share of normal images that score below an anomalous one, ties by half."""
    normal: FloatArray
    """(S, N): the share of anomalous images that score above a normal one, ties by half."""

    @property
    def aurocs(self) -> FloatArray:
        """(S,), of each fit."""
        return np.asarray(self.abnormal.mean(axis=1))


def placements(scores: ArrayLike, labels: ArrayLike) -> Placements:
    """Of scores (S, N) or (N,) of all images, with labels (N,), True for anomalous. Raises ValueError without both."""
    table, anomalous = np.atleast_2d(np.asarray(scores, dtype=float)), np.asarray(labels, dtype=bool)
    if table.shape[1:] != anomalous.shape or anomalous.all() or not anomalous.any():
        raise ValueError(f"scores {table.shape} of labels {anomalous.shape}: expected images of both classes")
    found = [
        (_share_below(row[~anomalous], row[anomalous]), 1 - _share_below(row[anomalous], row[~anomalous]))
        for row in table
    ]
    return Placements(np.stack([one for one, _ in found]), np.stack([other for _, other in found]))


def _share_below(among: FloatArray, values: FloatArray) -> FloatArray:
    """For each value the share of the others that are below it, ties by half."""
    ordered = np.sort(among)
    counted = ordered.searchsorted(values, "left") + ordered.searchsorted(values, "right")
    return np.asarray(counted / (2 * len(ordered)))


def image_variance(abnormal: FloatArray, normal: FloatArray) -> Spread:
    """DeLong's variance of an AUROC, or of a difference of two, from its placements (M,) and (N,) by image."""
    parts = [float(np.var(one, ddof=1)) / len(one) if len(one) > 1 else 0.0 for one in (abnormal, normal)]
    doubt = sum(part**2 / (len(one) - 1) for part, one in zip(parts, (abnormal, normal), strict=True) if part)
    return Spread(sum(parts), sum(parts) ** 2 / doubt if doubt else np.inf)


def delong(first: Placements, second: Placements) -> float:
    """Two-sided p that two methods have the same AUROC, from their placements of the same images; fits are paired.

    With one fit each it is DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988) 837. With several, placements are
    means over fits, and the variance between the fits of each method is added, for fits are drawn as images are.
    """
    apart = [(a - b).mean(axis=0) for a, b in zip(first, second, strict=True)]
    smallest = smallest_p(sum(map(len, apart)))
    difference = float(apart[0].mean())
    by_image = image_variance(*apart)
    if len(first.abnormal) == 1:  # then as published: by the normal distribution
        return two_sided(difference, [by_image._replace(freedom=np.inf)], smallest)
    return two_sided(difference, [by_image, between_fits(first.aurocs), between_fits(second.aurocs)], smallest)


def better_placed(first: Placements, second: Placements) -> tuple[int, int]:
    """On how many images the first method places better on average over fits, and on how many the second."""
    apart = np.concatenate([np.round((a - b).mean(axis=0), 12) for a, b in zip(first, second, strict=True)])
    return int((apart > 0).sum()), int((apart < 0).sum())
