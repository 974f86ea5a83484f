"""What could be reached if the test labels were known, never a result: the best F1, which bounds no other metric."""

from __future__ import annotations

import numpy as np

from harness import BoolArray, FloatArray, OracleThreshold, Rankings


class F1Oracle(OracleThreshold):
    """The limit with the best F1 on the test images. ORACLE: it sees their labels.

    No limit has a higher F1 on these scores; one may well have a higher accuracy or balanced accuracy.
    """

    name = "f1_oracle"
    licence = "MIT"
    source = "van Rijsbergen, Information Retrieval, 1979"

    def fit_oracle(self, scores: FloatArray, labels: BoolArray) -> float:
        """Half way below the lowest score called anomalous; of equal F1 the highest limit, so the fewest alarms.

        Where nothing is anomalous, the highest score.
        """
        normal, abnormal = np.sort(scores[~labels]), np.sort(scores[labels])
        if not len(abnormal):
            return float(normal[-1])
        found = len(abnormal) - abnormal.searchsorted(
            abnormal, "left"
        )  # found if all images from this score upwards were called anomalous
        alarms = len(normal) - normal.searchsorted(abnormal, "left")
        f1 = found / (found + alarms + len(abnormal))
        best = len(f1) - 1 - int(f1[::-1].argmax())
        # The lowest score that is called anomalous; the one below is normal, otherwise F1 would be higher. Both are
        # arrays of one, which keep their precision with any numpy: a limit must be a score that there can be.
        lowest = abnormal[best : best + 1]
        below = normal[normal < lowest][-1:]
        if not len(below):
            return float(np.nextafter(lowest, -np.inf)[0])
        limit = (below + lowest) / 2
        return float(limit[0] if limit[0] < lowest[0] else below[0])

    def fit_oracle_many(self, rankings: Rankings) -> FloatArray:
        """The same of each row."""
        normal, abnormal = rankings.normal, rankings.abnormal
        if not abnormal.shape[1]:
            return normal[:, -1]
        rows, m = np.arange(len(abnormal)), abnormal.shape[1]
        f1 = rankings.found / (rankings.found + rankings.alarms + m)
        best = m - 1 - f1[:, ::-1].argmax(axis=1)
        lowest, fewer = abnormal[rows, best], rankings.below[rows, best]
        if not normal.shape[1]:
            return np.asarray(np.nextafter(lowest, -np.inf))
        below = normal[rows, np.maximum(fewer, 1) - 1]
        limit = (below + lowest) / 2
        limit = np.where(limit < lowest, limit, below)
        return np.asarray(np.where(fewer > 0, limit, np.nextafter(lowest, -np.inf)))
