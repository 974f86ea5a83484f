"""Tries detectors one after another while there is time. Each scores good photos that it has not seen."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.api import GOOD, FloatArray, Progress, Split
from harness.errors import HarnessError, TrainingError
from harness.recommending.detectors import Detector
from harness.recommending.photos import Photos
from harness.running import FinishedRun, fit, plan_run
from harness.trials.endings import too_late
from harness.trials.observers import Observer
from harness.trials.settings import Settings
from harness.trials.trial import UNUSED, Evidence, Outcome, Trial

_CERTAIN = 10
"""A detector of frozen features takes at most this many times as long as an earlier one."""
_OUTLASTED = "it took longer than the time that was left, and was ended"
EPOCHS = 20
"""Epochs of a trained detector. They are few, because it serves as a comparison and is seldom chosen."""


@dataclass(frozen=True)
class Try:
    """What came of trying a detector, or why it was not tried."""

    detector: Detector
    outcome: Outcome | None = None
    seconds: float = 0.0
    reason: str = ""
    pool: str = ""
    """The pool that scores its images; empty before `by_pool` has split the detector by pools."""

    @property
    def done(self) -> bool:
        """Whether it has scores."""
        return self.outcome is not None and self.outcome.evidence is not None

    @property
    def evidence(self) -> Evidence:
        """Its scores; only if it is done."""
        assert self.outcome is not None
        assert self.outcome.evidence is not None
        return self.outcome.evidence

    @property
    def by_pool(self) -> list[Try]:
        """The same detector once for each pool that scored its images, its default pool first."""
        assert self.outcome is not None
        usual = self.outcome.record.default_pool
        return [replace(self, pool=pool) for pool in sorted(self.evidence.normal, key=lambda one: one != usual)]

    @property
    def name(self) -> str:
        """`gaussian on efficientnet_lite0 (topk)`."""
        return self.detector.name + (f" ({self.pool})" if self.pool not in ("", UNUSED) else "")

    @property
    def good(self) -> FloatArray:
        """(N,), scores of the good photos, each by a model that had not seen it."""
        return self.evidence.normal[self.pool]

    def tested(self, *, bad: bool) -> FloatArray:
        """Scores of photos that are kept for testing: the bad ones, or the good ones, of which there may be none."""
        return np.asarray(self.evidence.test[self.pool][self.evidence.labels == bad])

    @property
    def kinds(self) -> list[str]:
        """The kind of defect of each bad photo."""
        return [kind for kind in self.evidence.defects if kind != GOOD]


def settings_for(detector: Detector, photos: Photos, given: Mapping[str, Any], **more: Any) -> Settings:
    """The settings of a run that fits this detector to these photos. All detectors share the `given` settings."""
    used = {"models": detector.model, "dataset": photos.dataset, "data_root": photos.root, "calibrate": "crossfit"}
    used |= {} if detector.encoder == UNUSED else {"encoders": detector.encoder}
    used |= {} if detector.loss == UNUSED else {"losses": detector.loss}
    used |= {"epochs": EPOCHS} if detector.trained else {}
    used["skip_unreadable"] = True
    used["floors"] = False  # whether a clue of the whole photo is enough, the audit says
    shared = {name: value for name, value in given.items() if name not in ("max_false_alarms", "defect_rate", "quiet")}
    return Settings.of({**shared, **used, **more})


def tries(
    wanted: Iterable[Detector],
    photos: Photos,
    given: Mapping[str, Any],
    minutes: float,
    say: Callable[[str], None],
    instead: Split | None = None,
) -> list[Try]:
    """Fit each detector that is not in the store yet, in the given order. The first one may take any time.

    Photos given as `instead` replace those of the data set. The store does not know them, so they are fitted each time.
    The chosen detector has to be fitted once more. So none is begun if less time is left than twice the longest fit so
    far, and one that takes more than half of the time left is ended. Raises HarnessError.
    """
    begun, dearest, found = time.monotonic(), 0.0, list[Try]()
    queue = list(wanted)
    for number, detector in enumerate(queue, 1):
        left = 60 * minutes - (time.monotonic() - begun)
        if any(one.done for one in found) and left < 2 * dearest:
            found.append(Try(detector, reason="no time was left"))
            continue
        say(f"{number} of {len(queue)}: {detector.name} ({_minutes(left)} left)")
        started = time.monotonic()
        ended = left / 2 if any(one.done for one in found) and _may_outlast(detector, left, dearest) else None
        found.append(tried(detector, photos, given, instead, ended))
        dearest = max(dearest, time.monotonic() - started)
        if found[-1].reason:
            say(f"{detector.name} was left out: {found[-1].reason}")
    return found


def _may_outlast(detector: Detector, left: float, dearest: float) -> bool:
    """Whether to fit it in a process of its own, which can be ended, but takes some seconds to start."""
    return detector.trained or left < _CERTAIN * dearest


def tried(
    detector: Detector,
    photos: Photos,
    given: Mapping[str, Any],
    instead: Split | None = None,
    ended: float | None = None,
) -> Try:
    """Fit one detector to these photos and say what came of it. It is ended after `ended` seconds.

    With other photos given as `instead`, a detector that reports no progress cannot be ended.
    """
    started = time.monotonic()
    limit = {} if ended is None or instead is not None or "trial_minutes" in given else {"trial_minutes": ended / 60}
    settings = settings_for(detector, photos, given, **limit)
    try:
        if instead is None:
            outcome = of_model(fitted(settings), detector.model)
        else:
            planned = plan_run(settings, _nothing)
            trial = next(cell.trial for cell in planned.cells if cell.trial.model == detector.model)
            outcome = planned.worker().perform(trial, _Until(ended), instead)
    except HarnessError as error:
        return Try(detector, reason=str(error))
    reason = "" if outcome.evidence is not None else outcome.reason
    if limit and reason == too_late(limit["trial_minutes"]):
        reason = _OUTLASTED
    return Try(detector, outcome, time.monotonic() - started, reason)


class _Until(Observer):
    """Ends a fit when it next reports progress after this many seconds."""

    def __init__(self, seconds: float | None) -> None:
        self._end = math.inf if seconds is None else time.monotonic() + seconds

    def progressed(self, trial: Trial, progress: Progress) -> None:
        if time.monotonic() > self._end:
            raise TrainingError(_OUTLASTED)


def fitted(settings: Settings) -> FinishedRun:
    """A run of one trial, without any output. Raises HarnessError."""
    return fit(plan_run(settings, _nothing), [], _nothing)


def of_model(finished: FinishedRun, model: str) -> Outcome:
    """The outcome of this model, since a run may fit floors beside it."""
    return next(outcome for outcome in finished.results.source.outcomes if outcome.trial.model == model)


def _nothing(line: str) -> None:
    """Takes lines that nobody wants to read."""


def _minutes(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
