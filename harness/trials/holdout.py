"""Which normal images a trial is fitted on, and on which its limits are set."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from harness.api import Images, Split
from harness.errors import DataError
from harness.trials.subsets import subset
from harness.trials.trial import CROSSFIT, REST


class NormalImages(NamedTuple):
    """The normal images of one trial, by what they are for."""

    fitted: Images
    calibration: Images
    where: str
    """Where the latter come from: `fitted`, `holdout`, `crossfit`, `rest`, or the data set's `validation` images."""


def normal_images(split: Split, holdout: float, seed: int, calibrate: str = "") -> NormalImages:
    """What to fit and to calibrate on: the data set's own validation split, unless a share is to be held out.

    Raises DataError where that leaves no image to fit on, or none to set limits on.
    """
    if calibrate == CROSSFIT:
        return NormalImages(split.train, split.train, CROSSFIT)
    if calibrate == REST and split.calibration is not None:
        return NormalImages(split.train, split.calibration, REST)
    if holdout and len(split.train) < 2:
        raise DataError(
            f"a holdout of {holdout:g} needs 2 training images, one to fit on and one to set limits on: there is "
            f"{len(split.train)}; leave the holdout out"
        )
    if holdout:
        return NormalImages(*hold_out(split.train, holdout, seed), "holdout")
    if split.calibration is not None and len(split.calibration):
        return NormalImages(split.train, split.calibration, "validation")
    return NormalImages(split.train, split.train, "fitted")


def unfitted(where: str, holdout: float) -> bool:
    """Whether calibration images from there were not fitted, so that limits and p-values hold for new images.

    Where they come from is empty in what an older harness wrote, which held some out or calibrated on the fitted ones.
    """
    return where in ("holdout", "crossfit", "validation") or bool(holdout)


def hold_out(normal: Images, share: float, seed: int) -> tuple[Images, Images]:
    """Normal images to fit on, and to calibrate on: the same ones, or a random share of them kept apart."""
    if not share:
        return normal, normal
    order = np.random.default_rng(seed).permutation(len(normal))
    kept = min(max(1, round(share * len(normal))), len(normal) - 1)
    return subset(normal, np.sort(order[kept:])), subset(normal, np.sort(order[:kept]))
