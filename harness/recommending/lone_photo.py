"""Whether one good photo alone sets the limit, and what the limit would be without it.

It is never left out here. Whoever leaves out a photo because it scores high gets a limit that is too low, unless the
photo is no picture of a good part. Only a person who looks at it can tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from harness.api import FloatArray
from harness.metrics.guarantees import images_needed
from harness.report.recommendation import Lone
from harness.verdicts.choosing import FEWEST, Candidate, Choice, Count, Promise, choose, share_for


def lone_photo(
    candidates: Sequence[Candidate],
    groups: NDArray[np.intp],
    kinds: Sequence[str],
    choice: Choice,
    names: Sequence[str],
    seed: int,
    fresh_good: Sequence[FloatArray] | None = None,
) -> Lone | None:
    """The good photo whose score is the limit, where without it more bad photos would be found; else None.

    `choice` is the choice among these candidates. Near-duplicates, by `groups` (N,), are left out together. The photo
    counts as a false alarm of the limit without it, unless false alarms are counted on other photos.
    """
    good = candidates[choice.chosen].good
    at = int(good.argmax())
    others = groups != groups[at]
    promise = _fewer(choice.promise, int(others.sum()))
    if choice.misses is None or promise is None or not good[others].max() < choice.limit <= good[at]:
        return None
    left = [replace(one, good=one.good[others]) for one in candidates]
    without = choose(left, groups[others], kinds, promise, seed, fresh_good)
    assert without.misses is not None
    if without.misses.wrong >= choice.misses.wrong or _found(candidates, without) <= _found(candidates, choice):
        return None
    alarms = without.false_alarms
    if fresh_good is None:
        above = candidates[without.chosen].good[~others] > without.limit
        alarms = Count(alarms.wrong + int(above.sum()), alarms.of + len(above))
    return Lone(names[at], int((~others).sum()) - 1, alarms, without.misses, choice.false_alarms, choice.misses)


def _found(candidates: Sequence[Candidate], choice: Choice) -> int:
    """How many bad photos lie above the limit that is kept."""
    return int((candidates[choice.chosen].bad > choice.limit).sum())


def _fewer(promise: Promise, n: int) -> Promise | None:
    """What a limit of n good photos would be to keep, where more kept this; None where n are too few."""
    if promise.confident:
        return promise if n >= images_needed(promise.share) else None
    share = share_for(n)
    return Promise(share) if n >= FEWEST and share is not None else None
