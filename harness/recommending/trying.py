"""Trying detectors one after another while there is time, each scoring good photos that it had not seen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.api import GOOD, FloatArray, Split
from harness.errors import HarnessError
from harness.recommending.detectors import Detector
from harness.recommending.photos import Photos
from harness.running import FinishedRun, fit, plan_run
from harness.trials.observers import Observer
from harness.trials.settings import Settings
from harness.trials.trial import UNUSED, Outcome

EPOCHS = 20
"""Of a detector that is trained: few, for it is there to be compared with and seldom chosen."""


@dataclass(frozen=True)
class Try:
    """A detector that was tried, or why it was not."""

    detector: Detector
    outcome: Outcome | None = None
    seconds: float = 0.0
    reason: str = ""
    pool: str = ""
    """By which its images are scored, once it is one of `by_pool`."""

    @property
    def done(self) -> bool:
        """Whether it has scores."""
        return self.outcome is not None and self.outcome.evidence is not None

    @property
    def by_pool(self) -> list[Try]:
        """The same by each pool that its images are scored by, its default first."""
        assert self.outcome is not None
        assert self.outcome.evidence is not None
        usual = self.outcome.record.default_pool
        return [replace(self, pool=pool) for pool in sorted(self.outcome.evidence.normal, key=lambda one: one != usual)]

    @property
    def name(self) -> str:
        """`gaussian on effnet_lite0 (topk)`."""
        return self.detector.name + (f" ({self.pool})" if self.pool not in ("", UNUSED) else "")

    @property
    def good(self) -> FloatArray:
        """(N,), scores of the good photos, each by a model that had not seen it."""
        assert self.outcome is not None
        assert self.outcome.evidence is not None
        return self.outcome.evidence.normal[self.pool]

    def tested(self, *, bad: bool) -> FloatArray:
        """Scores of the photos that nothing was fitted to: the bad ones, or good ones where there are some."""
        assert self.outcome is not None
        evidence = self.outcome.evidence
        assert evidence is not None
        return np.asarray(evidence.test[self.pool][evidence.labels == bad])

    @property
    def kinds(self) -> list[str]:
        """The kind of defect of each bad photo."""
        assert self.outcome is not None
        assert self.outcome.evidence is not None
        return [kind for kind in self.outcome.evidence.defects if kind != GOOD]


def settings_for(detector: Detector, photos: Photos, given: Mapping[str, Any], **more: Any) -> Settings:
    """The settings of `harness run` that fit this detector to these photos; those that are given are shared by all."""
    used = {"models": detector.model, "dataset": photos.dataset, "data_root": photos.root, "calibrate": "crossfit"}
    used |= {} if detector.encoder == UNUSED else {"encoders": detector.encoder}
    used |= {} if detector.loss == UNUSED else {"losses": detector.loss}
    used |= {"epochs": EPOCHS} if detector.trained else {}
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
    """Fit each detector that is not in the store yet, from cheap to dear; the first one whatever time it takes.

    With photos to take instead of those that the data set reads, no store knows them, and they are fitted each time.
    None is begun when less is left than twice the time of the dearest so far. Raises HarnessError where none is done.
    """
    begun, dearest, found = time.monotonic(), 0.0, list[Try]()
    queue = list(wanted)
    for number, detector in enumerate(queue, 1):
        left = 60 * minutes - (time.monotonic() - begun)
        if any(one.done for one in found) and left < 2 * dearest:  # the one that is chosen is fitted once more
            found.append(Try(detector, reason="no time was left"))
            continue
        say(f"{number} of {len(queue)}: {detector.name} ({_minutes(left)} left)")
        started = time.monotonic()
        found.append(tried(detector, photos, given, instead))
        dearest = max(dearest, time.monotonic() - started)
        if found[-1].reason:
            say(f"{detector.name} was left out: {found[-1].reason}")
    return found


def tried(detector: Detector, photos: Photos, given: Mapping[str, Any], instead: Split | None = None) -> Try:
    """One detector fitted to these photos, or why it could not be."""
    started = time.monotonic()
    settings = settings_for(detector, photos, given)
    try:
        if instead is None:
            outcome = of_model(fitted(settings), detector.model)
        else:
            planned = plan_run(settings, _nothing)
            trial = next(cell.trial for cell in planned.cells if cell.trial.model == detector.model)
            outcome = planned.worker().perform(trial, Observer(), instead)
    except HarnessError as error:
        return Try(detector, reason=str(error))
    seconds = time.monotonic() - started
    return Try(detector, outcome, seconds, "" if outcome.evidence is not None else outcome.reason)


def fitted(settings: Settings) -> FinishedRun:
    """A run of one trial, about which nothing is said. Raises HarnessError."""
    return fit(plan_run(settings, _nothing), [], _nothing)


def of_model(finished: FinishedRun, model: str) -> Outcome:
    """What came of this model; a run fits floors beside it."""
    return next(outcome for outcome in finished.results.source.outcomes if outcome.trial.model == model)


def _nothing(line: str) -> None:
    """Where nothing is to be said."""


def _minutes(seconds: float) -> str:
    seconds = max(0.0, seconds)
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
