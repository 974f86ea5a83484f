"""Puts together what a tracker is told about a trial."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Literal, cast

from harness.api import TrackedTrial
from harness.trials.repeat import command_of
from harness.trials.trial import Outcome
from harness.verdicts.verdict import METRICS, PIXEL_METRICS, Verdict

Judged = Callable[[Outcome], Sequence[Verdict]]
PageOf = Callable[[str], str]
"""From the id of a stored trial to its page, as HTML; called in the tracker's thread."""
_MEASURED = ("fit_seconds", "score_seconds", "train_images_per_second")


def tracked(outcome: Outcome, judged: Judged, page_of: PageOf, rootless: Collection[str] = ()) -> TrackedTrial:
    """What trackers are told about a trial that was fitted or failed."""
    trial, record = outcome.trial, outcome.record
    made_by = {**record.plugins, **record.versions, **record.machine}
    return TrackedTrial(
        id=outcome.id,
        fingerprint=outcome.fingerprint,
        name=trial.title,
        status=cast("Literal['done', 'error']", outcome.status),
        reason=outcome.reason,
        settings=trial._asdict(),
        metrics=_metrics(outcome, judged(outcome)),
        losses=record.loss_history,
        made_by={name: str(value) for name, value in made_by.items()},
        command=command_of(trial, rootless),
        page=partial(page_of, outcome.id),
    )


def _metrics(outcome: Outcome, verdicts: Iterable[Verdict]) -> dict[str, float]:
    """Values by `metric/pool/threshold`; times and speed of the trial itself have plain names."""
    found = {name: float(value) for name in _MEASURED if (value := getattr(outcome.record, name)) is not None}
    for verdict in verdicts:
        for name in METRICS:
            if verdict.status == "done" and (value := verdict.metric(name)) is not None:
                found[f"{name}/{verdict.pool}/{verdict.threshold}"] = value
        for name in PIXEL_METRICS:
            if (value := verdict.metric(name)) is not None:
                found[name] = value
    return found
