"""Crosses anomaly detectors over image categories and says which to trust. Everything public is here."""

import importlib
from typing import TYPE_CHECKING, Any

from harness.api import (
    GOOD,
    Archive,
    BoolArray,
    Corruption,
    CountMetric,
    Counts,
    Dataset,
    Defect,
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
    Rankings,
    Region,
    Run,
    ScoreMetric,
    Scores,
    Split,
    Threshold,
    TrackedTrial,
    Tracker,
)
from harness.audit.statistics import statistics_of as image_statistics
from harness.errors import (
    DataError,
    HarnessError,
    HarnessWarning,
    ModelError,
    PackingError,
    StoreError,
    TooFewError,
    TrainingError,
    UnavailableError,
    UsageError,
    unknown_name,
)
from harness.files import replacing
from harness.images.decoding import Decoded, FileFacts, form_of, grey_depth, path_text, read_image, strict_pillow
from harness.images.foreground import foreground
from harness.images.framing import RESIZES, Frame
from harness.images.masks import Mask, read_mask
from harness.images.walk import IMAGE_SUFFIXES, Listing, PassedOver, list_images
from harness.metrics.guarantees import at_most, conformal_place, images_needed, p_values, tolerance_place
from harness.metrics.intervals import (
    auroc_interval,
    average_precision_interval,
    f1_interval,
    mean_of_rates_interval,
    wilson,
)
from harness.metrics.pixel import curves as pixel_curves
from harness.plugin.contract import CONTRACT, current_name
from harness.plugin.hookspecs import hookimpl
from harness.plugin.spec import spell

if TYPE_CHECKING:
    from harness.deployment.kept import Judgement, LoadedModel, load
    from harness.recommending import recommend
    from harness.report.certified import Certified, certify, open_certificate
    from harness.report.results import Results
    from harness.report.results import open_results as open  # noqa: A004  as `harness.open`, it hides nothing
    from harness.running import run

__all__ = [
    "CONTRACT",
    "GOOD",
    "IMAGE_SUFFIXES",
    "RESIZES",
    "Archive",
    "BoolArray",
    "Certified",
    "Corruption",
    "CountMetric",
    "Counts",
    "DataError",
    "Dataset",
    "Decoded",
    "Defect",
    "Encoder",
    "Executor",
    "FileFacts",
    "Finding",
    "FloatArray",
    "Frame",
    "HarnessError",
    "HarnessWarning",
    "Images",
    "Interval",
    "Judgement",
    "Listing",
    "LoadedModel",
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
    "Rankings",
    "Region",
    "Results",
    "Run",
    "ScoreMetric",
    "Scores",
    "Split",
    "StoreError",
    "Threshold",
    "TooFewError",
    "TrackedTrial",
    "Tracker",
    "TrainingError",
    "UnavailableError",
    "UsageError",
    "at_most",
    "auroc_interval",
    "average_precision_interval",
    "certify",
    "conformal_place",
    "f1_interval",
    "foreground",
    "form_of",
    "grey_depth",
    "hookimpl",
    "image_statistics",
    "images_needed",
    "list_images",
    "load",
    "mean_of_rates_interval",
    "open",
    "open_certificate",
    "p_values",
    "path_text",
    "pixel_curves",
    "read_image",
    "read_mask",
    "recommend",
    "replacing",
    "run",
    "spell",
    "strict_pillow",
    "tolerance_place",
    "unknown_name",
    "wilson",
]

_LAZY = {
    "Certified": ("harness.report.certified", "Certified"),
    "Judgement": ("harness.deployment.kept", "Judgement"),
    "LoadedModel": ("harness.deployment.kept", "LoadedModel"),
    "Results": ("harness.report.results", "Results"),
    "certify": ("harness.report.certified", "certify"),
    "load": ("harness.deployment.kept", "load"),
    "open": ("harness.report.results", "open_results"),
    "open_certificate": ("harness.report.certified", "open_certificate"),
    "recommend": ("harness.recommending", "recommend"),
    "run": ("harness.running", "run"),
}
"""What is imported when it is first asked for, so that a plugin's `import harness` costs little."""


def __getattr__(name: str) -> Any:
    """What is imported when asked for; else a public name of earlier versions, with a warning that says when it goes.

    Raises AttributeError.
    """
    if name in _LAZY:
        module, attribute = _LAZY[name]
        return getattr(importlib.import_module(module), attribute)
    return globals()[current_name(name)]
