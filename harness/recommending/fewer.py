"""What a person may ask next of a recommended detector: whether fewer photos would do, and whether tiles would help."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from harness.errors import HarnessError
from harness.recommending.photos import Photos
from harness.recommending.trying import EPOCHS, Try, fitted, settings_for
from harness.report.recommendation import Few
from harness.trials.trial import UNUSED
from harness.verdicts.choosing import Candidate

_PARTS = (8, 4, 2)
"""An eighth of the good photos, a quarter, and half of them are tried."""
_FEWEST = 2
_DRAWS = 3
_LARGE = 4
"""Photos so many times as wide as they are read lose what is small."""


def with_fewer_photos(
    best: Try, photos: Photos, given: Mapping[str, Any], until: float, say: Callable[[str], None]
) -> tuple[Few, ...]:
    """How well the detector tells bad photos where it is fitted to fewer good ones, three draws of each number.

    The good photos that a draw leaves out are those that it is tested on (`--shots`, `--calibrate rest`). None where
    there are no bad photos, or no time is left until a time of the monotonic clock.
    """
    n, found = len(photos.split.train), list[Few]()
    numbers = sorted({n // part for part in _PARTS if n // part >= _FEWEST})
    if not numbers or not photos.split.test.labels.any():
        return ()
    say(f"whether fewer good photos would do: {best.detector.name} fitted to {', '.join(map(str, numbers))} of {n}")
    for number in numbers:
        if until - time.monotonic() < _DRAWS * best.seconds:
            say(f"no time was left to fit {number}")
            break
        # in this process: others would take longer to start than such fits take
        draws = {"shots": (number,), "seeds": tuple(range(_DRAWS)), "calibrate": "rest", "jobs": 1}
        try:
            outcomes = fitted(settings_for(best.detector, photos, given, **draws)).results.source.outcomes
        except HarnessError as error:
            say(f"fewer photos could not be tried: {error}")
            break
        done = [Try(best.detector, outcome, pool=best.pool) for outcome in outcomes if outcome.evidence is not None]
        aurocs = [Candidate("", one.good, one.tested(bad=True), 0).auroc for one in done]
        if aurocs:
            found.append(Few(number, fmean(aurocs), len(aurocs)))
    return tuple(found)


def of_large_photos(best: Try, photos: Photos, size: int) -> str:
    """What is lost where photos are much larger than they are read, and the command that tries tiles; else nothing."""
    sides = [max(map(int, one.split("x"))) for one in photos.split.sizes]
    if not sides or max(sides) < _LARGE * size:
        return ""
    detector = best.detector
    words = ["harness", "run", "--dataset", photos.dataset, "--data-root", str(photos.root), "--models", detector.model]
    words += ["--encoders", detector.encoder] if detector.encoder != UNUSED else []
    words += ["--losses", detector.loss] if detector.loss != UNUSED else []
    words += ["--epochs", str(EPOCHS)] if detector.trained else []
    words += ["--calibrate", "crossfit", "--tiles", f"none,{size}"]
    return (
        f"photos of up to {max(sides)} pixels are read at {size}, where {max(sides) // size} of theirs are one: to see "
        f"whether tiles find smaller defects:  {shlex.join(words)}"
    )
