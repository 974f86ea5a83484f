"""A run as JSON lines, one object an event, for whoever follows it by program; README.md beside this lists them."""

from __future__ import annotations

import json
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

from harness.api import Finding, Progress
from harness.errors import UsageError
from harness.report.progress import planned
from harness.report.timing import TimeLeft
from harness.trials.observers import Observer, RunStart
from harness.trials.trial import Outcome, Trial
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

TO_STDERR = "-"
"""As the file of the log: standard error."""
_CELL = ("dataset", "category", "model", "encoder", "loss", "seed")


class Lines:
    """JSON lines on a stream. A log that cannot be written costs no trial: `fault` says why it ended early."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.fault = ""

    def write(self, event: str, **fields: Any) -> None:
        """One event, now."""
        if self.fault:
            return
        said = {"event": event, "time": datetime.now(UTC).isoformat(timespec="milliseconds"), **_finite(fields)}
        try:
            self._stream.write(json.dumps(said, allow_nan=False) + "\n")
            self._stream.flush()
        except OSError as error:
            self.fault = f"the log of events ends early: {error.strerror or error}. Trials are stored all the same"


@contextmanager
def opened_log(file: str | None, called: str) -> Iterator[Lines | None]:
    """Within, events can be appended to this file, or to stderr; None for no log. Raises UsageError."""
    if file is None or file == TO_STDERR:
        yield None if file is None else Lines(sys.stderr)
        return
    try:
        opened = Path(file).open("a", encoding="utf-8")  # noqa: SIM115  closed below, where a full disk costs nothing
    except OSError as error:
        raise UsageError(f"{called} {file!r} cannot be written: {error.strerror}") from error
    try:
        yield Lines(opened)
    finally:
        with suppress(OSError):  # a disk that is full has been told of by then
            opened.close()


class Events(Observer):
    """Writes a line for each event of a run."""

    def __init__(self, lines: Lines, judged: Callable[[Outcome], Iterable[Verdict]]) -> None:
        self._write = lines.write
        self._left = TimeLeft([])
        self._judged = judged
        self._count: Counter[str] = Counter()
        self._begun = time.monotonic()

    def run_started(self, start: RunStart) -> None:
        self._left = TimeLeft(start.trials, stored=start.stored_seconds, images=start.train_images)
        about = {"version": version("anomaly-harness"), "trials": start.cells, "store": str(start.store)}
        self._write("run_started", **about)

    def found(self, trial: Trial, trial_id: str) -> None:
        self._left.found(trial)
        self._count["found"] += 1
        self._write("found", **_cell(trial))

    def looked_at(self, category: str, findings: Sequence[Finding]) -> None:
        self._write("looked_at", category=category, findings=[asdict(finding) for finding in findings])

    def started(self, trial: Trial) -> None:
        self._left.started(trial)
        self._write("started", **_cell(trial))

    def progressed(self, trial: Trial, progress: Progress) -> None:
        speed = self._left.progressed(trial, progress)
        if progress.epoch_done:
            at = {"epoch": progress.epoch, "epochs": progress.epochs, "train_loss": progress.loss}
            self._write("epoch", **_cell(trial), **at, images_per_second=speed)

    def ended(self, outcome: Outcome) -> None:
        self._left.ended(planned(outcome), done=outcome.status == "done")
        self._count[outcome.status] += 1
        figures = [
            {
                "pool": verdict.pool,
                "threshold": verdict.threshold,
                **{name: verdict.metric(name) for name in (*METRICS, *PIXEL_METRICS)},
            }
            for verdict in self._judged(outcome)
            if verdict.status == "done"
        ]
        self._write(
            "ended",
            **_cell(outcome.trial),
            trial=outcome.id,
            status=outcome.status,
            reason=outcome.reason,
            fit_seconds=outcome.record.fit_seconds,
            train_images_per_second=outcome.record.train_images_per_second,
            figures=figures,
            seconds_left=self._left.seconds(),
        )

    def summary(self, exit_code: int) -> None:
        """The last line, of a run that ends with this exit code, also where it was stopped."""
        self._write(
            "summary",
            fitted=self._count["done"],
            found=self._count["found"],
            skipped=self._count["skipped"],
            failed=self._count["error"],
            seconds=round(time.monotonic() - self._begun, 3),
            exit_code=exit_code,
        )


def _cell(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in _CELL}


def _finite(fields: dict[str, Any]) -> dict[str, Any]:
    """JSON has neither nan nor infinity, which the loss of a failing fit may be."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in fields.items()
    }
