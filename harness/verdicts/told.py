"""What a row tells of its trial that no scores can prove, such as seconds: at least it has to be possible."""

from __future__ import annotations

import json
from collections.abc import Iterator

from harness.api import Model
from harness.plugin.faults import is_floor
from harness.plugin.grammar import parse
from harness.plugin.registry import Registry
from harness.trials import typed
from harness.trials.record import Record
from harness.trials.trial import Trial
from harness.verdicts.verdict import Verdict

MOST_TEXT = 32_000
"""Characters of JSON that the provenance of a row may take without its losses; those of our results take 1,300."""
MOST_NAME = 4_000
"""Characters of a name or a part's spelling; those of our results have 90."""
MOST_LOSSES = 1_000
"""Losses that it may have, where its trial has fewer epochs."""


def check_told(verdict: Verdict) -> None:
    """Raises ValueError, naming the figure, for what cannot be, and for more text than a row can need."""
    trial, record = verdict.trial, verdict.outcome.record
    names = {name: getattr(trial, name) for name in ("dataset", "category", "model", "encoder", "loss", "together")}
    for name, text in {**names, "pool": verdict.pool, "threshold": verdict.threshold}.items():
        if len(text) > MOST_NAME or not (text or name == "together"):
            raise ValueError(f"{name} is {text!r:.60}, expected a name of 1 to {MOST_NAME:,} characters")
    if len(verdict.reason) > MOST_TEXT:
        raise ValueError(f"reason takes {len(verdict.reason)} characters, expected at most {MOST_TEXT}")
    for name, value, least, most in (
        ("image_size", trial.image_size, 1, 2**20),
        *((name, getattr(trial, name), 0, 2**53) for name in ("seed", "epochs", "batch_size", "shots", "tiles")),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name} is {value}, expected a whole number from {least} to {most}")
    for name, value, least in _figures(record):
        if value is not None and value < least:
            raise ValueError(f"{name} is {value:g}, expected at least {least}")
    if len(record.loss_history) > (most := max(trial.epochs, MOST_LOSSES)):
        raise ValueError(f"loss_history has {len(record.loss_history)} losses, expected at most {most}")
    text = len(json.dumps({name: value for name, value in typed.written(record).items() if name != "loss_history"}))
    if text > MOST_TEXT:
        raise ValueError(f"provenance takes {text} characters, expected at most {MOST_TEXT}")


def check_floor(trial: Trial, record: Record, registry: Registry) -> None:
    """Raises ValueError where a model that is installed is told to be a floor, and is none: floors are not ranked."""
    offer = registry.offers(Model).get(parse(trial.model)[0])
    if record.floor and offer is not None and not is_floor(offer.part):
        raise ValueError(f"floor is true, and model {trial.model!r:.60} is none")


def _figures(record: Record) -> Iterator[tuple[str, float | None, int]]:
    for name in ("fit_seconds", "score_seconds", "train_images_per_second", "n_train", "n_calibration"):
        yield name, getattr(record, name), 0
    yield "threads", record.threads, 1
    for one in record.latency:
        for name in ("p50_ms", "p95_ms", "p99_ms", "images_per_second"):
            yield f"{name} of latency", getattr(one, name), 0
