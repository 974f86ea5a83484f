"""What metrics of pixels are made from: how many normal and defective pixels score how high."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PixelCounts(NamedTuple):
    """Pixels of one set of maps in each of B intervals of scores, in ascending order. See `harness.pixel_curves`."""

    starts: NDArray[np.int32]
    """(B,), the lowest key of each; keys are whole numbers in the order of the scores, as `pixel_curves` reads them."""
    spread: NDArray[np.int8]
    """(B,): keys in an interval lie less than 2 ** spread above its start. 0: all scores in it are equal."""
    normal: NDArray[np.float64]
    """(B,), pixels."""
    defective: NDArray[np.float64]
    """(B,), pixels."""
    overlap: NDArray[np.float64]
    """(B,), defective regions, each shared out among its pixels."""
    origin: float = 0.0
    """What was subtracted from the scores before they became keys."""
