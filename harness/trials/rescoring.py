"""Scores of changed test images: by a model that was just fitted, or by the one that was kept of a stored trial."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.api import FloatArray, Images, Model
from harness.errors import HarnessError, ModelError, error_line
from harness.metrics.pools import made_pools
from harness.plugin.registry import Registry
from harness.trials.corrupting import corrupted_scores
from harness.trials.models_folder import is_inside
from harness.trials.record import Record
from harness.trials.restoring import restored
from harness.trials.saved_model import find, read
from harness.trials.scoring import score
from harness.trials.trial import UNUSED, Evidence, Trial

_ID = 16
"""Digits of a trial's id, in which the name of a kept model's directory ends."""


@dataclass(frozen=True)
class Kept:
    """Models whose trials lack scores of changed images alone, so that they need no other fit."""

    folder: Path
    ids: frozenset[str]


def kept_of(folder: Path, lacking: Iterable[str]) -> Kept | None:
    """Those of some trials whose models lie in a folder; None where there are none."""
    there: set[str] = set()
    with suppress(OSError):
        there = {child.name[-_ID:] for child in folder.iterdir() if is_inside(child, folder)}
    ids = there.intersection(lacking)
    return Kept(folder.absolute(), frozenset(ids)) if ids else None


def with_corrupted(
    registry: Registry, corruptions: Sequence[str], model: Model, test: Images, evidence: Evidence, seed: int
) -> tuple[Evidence, Mapping[str, str]]:
    """Evidence with the scores of changed test images, by the pools that it has, and why some are lacking."""
    pools = made_pools(registry, (pool for pool in evidence.test if pool != UNUSED))

    def scored(images: Images) -> Mapping[str, FloatArray]:
        return score(model, images, pools, seed=seed)[0] if len(images) else evidence.test

    found, faults = corrupted_scores(registry, corruptions, test, scored)
    return replace(evidence, corrupted=found), faults


def rescored(
    kept: Kept,
    trial_id: str,
    trial: Trial,
    test: Images,
    registry: Registry,
    corruptions: Sequence[str],
    device: str,
    weights_dir: Path | None,
) -> tuple[Evidence, Record]:
    """What a kept model makes of a trial's test images and of these changes of them, and what to remember of it.

    Images that are not changed are scored as well: where these scores are not the stored ones, it is not the model of
    the trial any more. Raises HarnessError where it cannot be used, whatever its plugin raises.
    """
    directory = find(kept.folder, trial_id)
    if directory is None:
        raise ModelError(f"no model of {trial_id} in {str(kept.folder)!r}")
    started, saved = time.perf_counter(), read(directory)
    model = restored(saved, directory, registry, device, weights_dir)
    try:
        pools = made_pools(registry, (pool for pool in saved.calibration if pool != UNUSED))
        tested, _ = score(model, test, pools, seed=trial.seed)
        plain = Evidence(saved.calibration, tested, test.defects, test.paths)
        evidence, faults = with_corrupted(registry, corruptions, model, test, plain, trial.seed)
    except (HarnessError, KeyboardInterrupt):
        raise
    except BaseException as error:  # a plugin may raise anything
        raise ModelError(f"model {str(directory)!r} cannot score: {error_line(error)}") from error
    return evidence, Record(score_seconds=time.perf_counter() - started, corruption_faults=faults)
