"""Digests by which others say which scores and rows they have looked at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import numpy as np

from harness.trials.trial import Evidence


def scores_digest(evidence: Evidence, pool: str) -> str:
    """32 hexadecimal digits of the scores of one pool, and of the defect kinds of the images that they belong to."""
    digest = hashlib.sha256(json.dumps(evidence.defects).encode())
    for scores in (evidence.normal[pool], evidence.test[pool]):
        digest.update(np.ascontiguousarray(scores, dtype="<f8").data)
    return digest.hexdigest()[:32]


def export_digest(rows: Iterable[str]) -> str:
    """32 hexadecimal digits of an export from the digests of its rows, in whatever order."""
    return hashlib.sha256("\n".join(sorted(rows)).encode()).hexdigest()[:32]
