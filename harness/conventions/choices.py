"""The choices themselves: each is one departure from how the harness judges, and says what it takes to work it out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from harness.verdicts.verdict import METRICS

AUPRO = "aupro"
"""The figure, whatever its limit; the harness's own limit is .3."""
FIGURES = (*METRICS, "pixel_auroc", "pixel_average_precision", AUPRO)
"""What conventions move, in [0, 1], higher is better."""

Figures = Mapping[str, float]
"""Figure to its value; one that a convention does not touch, or that is not defined, is absent."""


class Convention(NamedTuple):
    """One choice made otherwise than the harness makes it, all else being equal."""

    axis: str
    choice: str
    takes: Literal["scores", "pixel counts", "error maps"]
    """What it is worked out from. Stores have the first two; error maps take kept models and the images."""

    @property
    def words(self) -> str:
        """`image score: max`."""
        return f"{self.axis}: {self.choice}"


USUAL = {
    "image score": "the pool that each model suits",
    "limit": "the threshold that is asked for",
    "scores": "as they are",
    "AUPRO up to": "a false positive rate of .3",
    "pixels of normal images": "counted",
    "regions": "joined at corners (8 neighbours)",
    "a region is found": "by as much of it as is found",
    "mask": "of the nearest pixel",
    "error map": "of the model's image size",
    "smoothing": "the model's own",
}
"""How the harness judges, by axis."""

CLAMPED = Convention("scores", "clamped to the range of calibration images", "scores")
CLAMPED_MAPS = Convention("scores", "clamped to the range of calibration images", "pixel counts")
AUPRO_05 = Convention("AUPRO up to", "a false positive rate of .05", "pixel counts")
WITHOUT_NORMAL = Convention("pixels of normal images", "left out", "pixel counts")
FOUR = Convention("regions", "joined at edges (4 neighbours)", "error maps")
HALF_FOUND = Convention("a region is found", "by half of it (sPRO)", "error maps")
AS_STATED = Convention("a region is found", "by the area that the data set states (sPRO)", "error maps")
ANY_PART = Convention("mask", "above 0 after bilinear reduction", "error maps")
HALF = Convention("mask", "above half after bilinear reduction", "error maps")
CROPPED = Convention("error map", "its centre, as 224 of 256", "error maps")
FILE_SIZE = Convention("error map", "enlarged to the files' size", "error maps")
SMOOTHED = Convention("smoothing", "a Gaussian of 4 pixels more", "error maps")


def image_score(pool: str) -> Convention:
    """Another pool."""
    return Convention("image score", pool, "scores")


def limit(threshold: str, oracle: bool) -> Convention:
    """Another threshold."""
    return Convention("limit", f"{threshold}, which sees test labels" if oracle else threshold, "scores")


NEVER = ("the checkpoint chosen by test labels",)
"""Conventions that nothing here can tell, as no checkpoints are kept."""
