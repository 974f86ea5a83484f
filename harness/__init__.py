"""Crosses anomaly detectors over image categories and says which to trust. Everything public is here."""

from harness.api import (
    GOOD,
    BoolArray,
    Dataset,
    Encoder,
    FloatArray,
    Images,
    Loss,
    Model,
    OracleThreshold,
    Part,
    Progress,
    Run,
    Scores,
    Split,
    Threshold,
)
from harness.decoding import Decoded, read_image, read_mask, shown, strict_pillow
from harness.errors import DataError, HarnessError, StoreError, TrainingError, UnavailableError, UsageError, unknown
from harness.hookspecs import hookimpl
from harness.spec import spell

__all__ = [
    "GOOD",
    "BoolArray",
    "DataError",
    "Dataset",
    "Decoded",
    "Encoder",
    "FloatArray",
    "HarnessError",
    "Images",
    "Loss",
    "Model",
    "OracleThreshold",
    "Part",
    "Progress",
    "Run",
    "Scores",
    "Split",
    "StoreError",
    "Threshold",
    "TrainingError",
    "UnavailableError",
    "UsageError",
    "hookimpl",
    "read_image",
    "read_mask",
    "shown",
    "spell",
    "strict_pillow",
    "unknown",
]
