"""Tells one tracker about the trials of a run, in a thread of its own, so that no fit waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from harness.api import TrackedTrial, Tracker
from harness.errors import HarnessError, UsageError, error_text, where_raised
from harness.plugin.spec import spell
from harness.trackers.tracked import Judged, PageOf, tracked
from harness.trials.observers import Observer, RunStart
from harness.trials.store import Store
from harness.trials.trial import Outcome, Trial

_LOOK_S = 0.05
_SAY_S = 3.0
"""After how many seconds of waiting at the end of a run the user is told what it waits for."""
_STOP_S = 1.0
"""How many seconds a run that was stopped waits for the tracker to finish writing."""


class _GivenUpError(Exception):
    """A call of the tracker returned, but after its deadline."""


class Tracking(Observer):
    """Hands each trial to a tracker once. One that fails or misses its deadline is called no more; one warning says so.

    A later run on the same store tells it what it missed. Raises UsageError if the tracker cannot be used as asked.
    """

    def __init__(
        self,
        tracker: Tracker,
        judged: Judged,
        page_of: PageOf,
        warn: Callable[[str], None],
        rootless: Collection[str] = (),
    ) -> None:
        try:
            tracker.prepare()
        except (HarnessError, KeyboardInterrupt):
            raise
        except BaseException as error:  # which is a program of a plugin
            raise UsageError(f"tracker {spell(tracker)} cannot be used: {where_raised(error)}") from error
        self._tracker, self._judged, self._page_of = tracker, judged, page_of
        self._warn, self._rootless = warn, rootless
        self._store = Path()
        self._found: list[str] = []
        self._told: SimpleQueue[TrackedTrial | None] = SimpleQueue()
        self._begun: float | None = None
        """When the current call of the tracker began; None between calls."""
        self._fault = ""
        self._given_up = False
        self._over = threading.Event()

    def run_started(self, start: RunStart) -> None:
        self._store = start.store
        threading.Thread(target=self._work, daemon=True, name=f"tracker {self._tracker.name}").start()

    def found(self, trial: Trial, trial_id: str) -> None:
        self._found.append(trial_id)
        self._look()

    def started(self, trial: Trial) -> None:
        self._look()

    def ended(self, outcome: Outcome) -> None:
        self._look()
        if not self._given_up and outcome.status != "skipped":
            self._told.put(tracked(outcome, self._judged, self._page_of, self._rootless))

    def run_ended(self, *, stopped: bool) -> None:
        """Tell the tracker about trials of earlier runs as well, and wait until it has recorded everything."""
        if not stopped and self._found and not self._given_up:
            with Store(self._store) as store:
                for outcome in store.outcomes(self._found):
                    self.ended(outcome)
        self._told.put(None)
        began, said = time.monotonic(), False
        while not self._over.wait(_LOOK_S) and not self._given_up:
            self._look()
            waited = time.monotonic() - began
            if stopped and waited > _STOP_S:
                return
            if waited > _SAY_S and not said and not self._given_up:
                said = True
                self._warn(f"waiting for tracker {self._tracker.name!r}; Ctrl-C leaves the rest to the next run")
        self._look()

    def _look(self) -> None:
        """Check the thread of the tracker, and warn once if it failed or is late."""
        begun, limit = self._begun, self._tracker.deadline_s
        if not self._fault and begun is not None and time.monotonic() - begun > limit:
            self._fault = f"it has not answered for {limit:g} s"
        if self._fault and not self._given_up:
            self._given_up = True
            self._warn(
                f"tracker {spell(self._tracker)} is told nothing more: {self._fault[:300]}. Trials go on and are "
                "stored; the same command tells it the rest later"
            )

    def _work(self) -> None:
        try:
            self._call(self._tracker.open)
            while (trial := self._told.get()) is not None:
                self._call(self._tracker.log, trial)
            self._call(self._tracker.close)
        except _GivenUpError:
            pass
        except BaseException as error:  # of the client, the server, the network or the disk; a plugin may even exit
            self._fault = self._fault or " ".join(error_text(error).split()) or type(error).__name__
        finally:
            self._over.set()

    def _call(self, method: Callable[..., None], *what: Any) -> None:
        self._begun = time.monotonic()
        method(*what)
        self._begun = None
        if self._given_up:
            raise _GivenUpError
