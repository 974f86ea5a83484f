"""Crosses anomaly detectors over image categories and says which to trust. Everything public is here."""

from harness.api import (
    GOOD,
    BoolArray,
    CountMetric,
    Counts,
    Dataset,
    Encoder,
    Executor,
    Finding,
    FloatArray,
    Images,
    Interval,
    Loss,
    Metric,
    Model,
    OracleThreshold,
    Part,
    PixelCounts,
    PixelMetric,
    Pool,
    Progress,
    Ranking,
    Run,
    ScoreMetric,
    Scores,
    Split,
    Threshold,
    TrackedTrial,
    Tracker,
)
from harness.errors import (
    DataError,
    HarnessError,
    ModelError,
    PackingError,
    StoreError,
    TrainingError,
    UnavailableError,
    UsageError,
)
from harness.errors import unknown as unknown_name
from harness.files import replacing
from harness.images.decoding import Decoded, FileFacts, grey_depth, read_image, strict_pillow
from harness.images.decoding import shown as path_text
from harness.images.masks import Mask, read_mask
from harness.images.walk import IMAGE_SUFFIXES, Listing, PassedOver, list_images
from harness.metrics.intervals import auroc_interval, mean_of_rates_interval, wilson
from harness.metrics.pixel import curves as pixel_curves
from harness.plugin.contract import CONTRACT, current_name
from harness.plugin.hookspecs import hookimpl
from harness.plugin.spec import spell

__all__ = [
    "CONTRACT",
    "GOOD",
    "IMAGE_SUFFIXES",
    "BoolArray",
    "CountMetric",
    "Counts",
    "DataError",
    "Dataset",
    "Decoded",
    "Encoder",
    "Executor",
    "FileFacts",
    "Finding",
    "FloatArray",
    "HarnessError",
    "Images",
    "Interval",
    "Listing",
    "Loss",
    "Mask",
    "Metric",
    "Model",
    "ModelError",
    "OracleThreshold",
    "PackingError",
    "Part",
    "PassedOver",
    "PixelCounts",
    "PixelMetric",
    "Pool",
    "Progress",
    "Ranking",
    "Run",
    "ScoreMetric",
    "Scores",
    "Split",
    "StoreError",
    "Threshold",
    "TrackedTrial",
    "Tracker",
    "TrainingError",
    "UnavailableError",
    "UsageError",
    "auroc_interval",
    "grey_depth",
    "hookimpl",
    "list_images",
    "mean_of_rates_interval",
    "path_text",
    "pixel_curves",
    "read_image",
    "read_mask",
    "replacing",
    "spell",
    "strict_pillow",
    "unknown_name",
    "wilson",
]


def __getattr__(name: str) -> object:
    """A public name of earlier versions, with a warning that says when it goes. Raises AttributeError."""
    return globals()[current_name(name)]
