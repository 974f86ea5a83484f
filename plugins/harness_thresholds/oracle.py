"""What could be reached if the test labels were known: an upper bound, never a result."""

from __future__ import annotations

import numpy as np

from harness import BoolArray, FloatArray, OracleThreshold


class F1Oracle(OracleThreshold):
    """The limit with the best F1 on the test images. ORACLE: it sees their labels."""

    name = "f1_oracle"
    licence = "MIT"
    source = "van Rijsbergen, Information Retrieval, 1979"

    def fit_oracle(self, scores: FloatArray, labels: BoolArray) -> float:
        """Half way below the lowest score called anomalous; of equal F1 the highest limit, so the fewest alarms."""
        distinct, at = np.unique(scores, return_inverse=True)
        hits = np.bincount(at, weights=labels, minlength=len(distinct))[::-1].cumsum()[::-1]
        called = np.bincount(at, minlength=len(distinct))[::-1].cumsum()[::-1]
        f1 = 2 * hits / (called + max(np.count_nonzero(labels), 1))
        best = int(np.flatnonzero(f1 == f1.max())[-1])
        if best == 0:
            return float(np.nextafter(distinct[0], -np.inf))
        limit = float((distinct[best - 1] + distinct[best]) / 2)
        return limit if limit < distinct[best] else float(distinct[best - 1])
