"""Pools turn an error map into one image score. They cost no fit, so every trial keeps the score of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from harness.api import FloatArray

TOP_SHARE = 0.01
"""The share of pixels that `topk` averages: on 256x256 images 656 pixels, a defect of about 26 by 26."""


def mean(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the mean error, the paper's score."""
    return np.asarray(maps.mean(axis=(1, 2), dtype=np.float64))


def largest(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the error of the worst pixel."""
    return np.asarray(maps.max(axis=(1, 2)), dtype=np.float64)


def topk(maps: FloatArray) -> FloatArray:
    """(N, H, W) to (N,): the mean error of the worst 1 % of the pixels."""
    flat = maps.reshape(len(maps), -1)
    k = max(1, round(TOP_SHARE * flat.shape[1]))
    return np.asarray(np.partition(flat, flat.shape[1] - k, axis=1)[:, -k:].mean(axis=1, dtype=np.float64))


POOLS: Mapping[str, Callable[[FloatArray], FloatArray]] = {"mean": mean, "max": largest, "topk": topk}
