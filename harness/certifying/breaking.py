"""What breaks a detector: its false alarms and misses at a fixed limit as light, camera and mounting change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from harness.api import Corruption
from harness.certifying.scoring import alarms_of
from harness.deployment.detector import Detector
from harness.metrics.significance import mcnemar
from harness.trials.corrupting import amount_of, applied, steps_of


@dataclass(frozen=True)
class Doubling:
    """The least severity with at least two errors, and at least twice those of unchanged photos."""

    severity: int
    amount: str
    """How strong the change is, in words for people."""
    before: int
    after: int
    p: float
    """McNemar's exact test, two-sided: how often chance alone would change as many decisions."""


@dataclass(frozen=True)
class Broken:
    """Errors under one corruption by its severity. The first count is that of unchanged photos."""

    corruption: str
    amounts: tuple[str, ...]
    """How strong each severity is, in words for people."""
    false_alarms: tuple[int, ...]
    misses: tuple[int, ...]
    false_alarms_double: Doubling | None
    """None if no severity doubles them."""
    misses_double: Doubling | None


def what_breaks(
    detector: Detector,
    normal: NDArray[np.uint8],
    bad: NDArray[np.uint8],
    corruptions: Sequence[Corruption],
    seed: int,
    say: Callable[[str], None],
) -> list[Broken]:
    """Apply each corruption at each severity to N normal photos and M bad ones (H, W, 3), and count errors.

    A photo is changed in the same direction at each severity, if the plugin draws from the generator that it is given.
    Raises TrainingError, ModelError.
    """
    clean = [alarms_of(detector, normal), ~alarms_of(detector, bad)]
    found = []
    for at, corruption in enumerate(corruptions, 1):
        say(f"what breaks it: {corruption.name} ({at} of {len(corruptions)})")
        steps = steps_of(corruption)
        false_alarms = [clean[0], *_alarms(detector, steps, normal, seed)]
        misses = [clean[1], *(~one for one in _alarms(detector, steps, bad, seed))]
        amounts = tuple(amount_of(step) for step in steps)
        found.append(
            Broken(
                corruption=corruption.name,
                amounts=amounts,
                false_alarms=tuple(int(one.sum()) for one in false_alarms),
                misses=tuple(int(one.sum()) for one in misses),
                false_alarms_double=_doubling(false_alarms, amounts),
                misses_double=_doubling(misses, amounts),
            )
        )
    return found


def _alarms(detector: Detector, steps: Sequence[Corruption], photos: NDArray[np.uint8], seed: int) -> NDArray[np.bool_]:
    """(S, N), whether each photo is called anomalous at each step. All are scored together, for larger batches."""
    every = chain.from_iterable(applied(step, photos, seed) for step in steps)
    return alarms_of(detector, every).reshape(len(steps), len(photos))


def _doubling(wrong: Sequence[NDArray[np.bool_]], amounts: Sequence[str]) -> Doubling | None:
    before = int(wrong[0].sum())
    for severity, (errors, amount) in enumerate(zip(wrong[1:], amounts, strict=True), 1):
        after = int(errors.sum())
        if after >= 2 * max(before, 1):
            return Doubling(severity, amount, before, after, mcnemar(~wrong[0], ~errors))
    return None
