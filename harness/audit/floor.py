"""The floor that looks at almost nothing: how far a whole image's statistics lie from those of training images."""

from __future__ import annotations

import numpy as np

from harness.api import FloatArray

_RIDGE = 1e-3
"""Added to each statistic's variance, as a share of it: means of three channels of a grey image are one number."""


def global_statistics_scores(train: FloatArray, images: FloatArray) -> FloatArray:
    """Squared Mahalanobis distance of statistics (N, K) from those of training images (M, K), as (N,).

    0 is the centre. A statistic that is the same in all training images counts in grey levels. Raises ValueError
    without training images.
    """
    if not len(train):
        raise ValueError("no training images: expected at least one")
    centre, variance = train.mean(axis=0), train.var(axis=0)
    scale = np.sqrt(np.where(variance > 0, variance, 1.0))
    standard, others = (train - centre) / scale, (images - centre) / scale
    covariance = standard.T @ standard / max(len(train) - 1, 1)
    covariance[np.diag_indices_from(covariance)] = np.maximum(np.diag(covariance), 1.0) + _RIDGE
    return np.asarray(np.einsum("ij,ij->i", others @ np.linalg.inv(covariance), others))
