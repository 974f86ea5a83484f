"""A paired bootstrap: how far the difference of two methods' figures depends on the test images that were drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.api import FloatArray
from harness.metrics.fits_by_images import Spread, between_fits, smallest_p, two_sided

TIMES = 999
"""Sets of test images that are drawn."""


def drawn_images(labels: ArrayLike, times: int = TIMES) -> Iterator[NDArray[np.intp]]:
    """So many sets of images (N,), drawn with replacement within each class; the same ones for all who ask."""
    anomalous = np.asarray(labels, dtype=bool)
    classes = [np.flatnonzero(anomalous == side) for side in (False, True)]
    draws = np.random.default_rng(0)
    for _ in range(times):
        yield np.concatenate([draws.choice(one, len(one)) for one in classes if len(one)])


def bootstrapped(figure: Callable[[NDArray[np.intp]], float], labels: ArrayLike, times: int = TIMES) -> FloatArray:
    """(1 + times,): a figure on all images, then on each drawn set of them."""
    whole = np.arange(len(np.asarray(labels)))
    return np.array([figure(chosen) for chosen in (whole, *drawn_images(labels, times))])


def paired_bootstrap(first: FloatArray, second: FloatArray, images: int) -> float:
    """Two-sided p that two methods have the same figure, from `bootstrapped` ones (S, 1 + times) of their fits.

    The difference over its standard error: over images from the sets that were drawn (Efron and Tibshirani, An
    Introduction to the Bootstrap (1993), 6), and between the fits of each method where there are several.
    """
    apart = (first - second).mean(axis=0)
    by_image = Spread(float(np.nanvar(apart[1:], ddof=1)), images - 1)
    spreads = [by_image, between_fits(first[:, 0]), between_fits(second[:, 0])]
    return two_sided(float(round(apart[0], 12)), spreads, smallest_p(images))
