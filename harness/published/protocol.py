"""How our protocol differs from what a source states; what it leaves open is no difference."""

from __future__ import annotations

from collections.abc import Iterator

from harness.plugin.spec import parse
from harness.printable import counted
from harness.published.table import DECIDED, NOT_STATED, RATES, PublishedTable, Row
from harness.trials.together import names_of
from harness.trials.trial import CROSSFIT, PROTOCOL, Trial
from harness.verdicts.verdict import PIXEL_METRICS, Verdict

SYNTHETIC = "synthetic"
"""The data set that we draw ourselves."""
_SAID_APART = ("setting", "together")


def differences(table: PublishedTable, row: Row, metric: str, ours: Verdict) -> Iterator[str]:
    """Why a number of ours cannot be compared with a published one, in words; nothing where it can."""
    yield from _of_data(table, row, ours)
    yield from _of_training(row, ours)
    if metric not in PIXEL_METRICS and row.pool not in (NOT_STATED, ours.pool):
        yield f"pool {ours.pool}, {row.pool} published"
    if needs_limit(metric):
        if ours.oracle != (table.track == "oracle"):
            yield "oracle threshold" if ours.oracle else "oracle threshold published"
        elif row.threshold not in (NOT_STATED, ours.threshold):
            yield f"threshold {ours.threshold}, {row.threshold} published"


def needs_limit(metric: str) -> bool:
    """Whether a metric depends on the threshold."""
    return metric in (*RATES, *DECIDED)


def _of_data(table: PublishedTable, row: Row, ours: Verdict) -> Iterator[str]:
    trial, record = ours.trial, ours.outcome.record
    dataset = parse(trial.dataset)[0]
    if dataset != table.dataset:
        known = f"{table.dataset} published" if table.dataset != NOT_STATED else "the source does not state its own"
        yield "synthetic data" if dataset == SYNTHETIC else f"data set {trial.dataset}, {known}"
    elif record.incomplete:
        yield f"incomplete category: {record.incomplete}"
    elif row.counts and ours.counts and (row.counts.normal, row.counts.abnormal) != _sizes(ours):
        n, a = _sizes(ours)
        yield f"test set of {n} + {a} images, {row.counts.normal} + {row.counts.abnormal} published"
    yield from _of_setting(table, row, trial)
    if row.image_size not in (None, trial.image_size):
        yield f"image size {trial.image_size}, {row.image_size} published"


def _of_setting(table: PublishedTable, row: Row, trial: Trial) -> Iterator[str]:
    """Whether each category has a model of its own, here and there; what the source leaves open is no difference."""
    ours = len(names_of(trial))
    if row.setting == "one-class" and trial.together:
        yield f"one model for {ours} categories, one a category published"
    elif row.setting == "multi-class" and not trial.together:
        yield "one model a category, one for all published"
    elif row.setting == "multi-class":
        theirs = max((mean.over or 0 for mean in table.means), default=0)
        if theirs and ours != theirs:
            yield f"one model for {ours} categories, one for {theirs} published"


def _of_training(row: Row, ours: Verdict) -> Iterator[str]:
    trial = ours.trial
    if trial.weights == "random" and row.weights != "random":
        yield "random weights"
    if row.epochs and trial.epochs and row.epochs != str(trial.epochs):
        yield f"{counted(trial.epochs, 'epoch')}, {row.epochs} published"
    if row.batch_size and trial.batch_size and row.batch_size != trial.batch_size:
        yield f"batch size {trial.batch_size}, {row.batch_size} published"
    if row.learning_rate and trial.learning_rate and row.learning_rate != trial.learning_rate:
        yield f"learning rate {trial.learning_rate:g}, {row.learning_rate:g} published"
    if trial.holdout:
        yield f"fitted without {trial.holdout:.0%} of the normal images, held out for the threshold"
    if trial.calibrate:
        yield "limits set on cross-fitted scores" if trial.calibrate == CROSSFIT else "limits set on images left out"
    for name, usual in PROTOCOL.items():
        if name in _SAID_APART:
            continue
        mine, theirs = getattr(trial, name), getattr(row, name, usual)
        if mine != theirs:
            yield ", ".join(filter(None, (_in_words(name, mine, usual), f"{_in_words(name, theirs, usual)} published")))


def _in_words(name: str, value: object, usual: object) -> str:
    """A value of a protocol, as `shots 4`; where it is the usual one, as `shots as usual`."""
    return f"{name} {'as usual' if value == usual else f'{value:g}' if isinstance(value, float) else value}"


def _sizes(verdict: Verdict) -> tuple[int, int]:
    assert verdict.counts is not None
    return verdict.counts.n_normal, verdict.counts.n_abnormal
