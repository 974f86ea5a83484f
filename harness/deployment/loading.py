"""From a directory that holds a kept model to a detector that is ready to decide."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from harness.api import Dataset, Pool
from harness.deployment.detector import Detector
from harness.errors import HarnessError
from harness.plugin.registry import Registry
from harness.trials.restoring import made, remarks_on, restored
from harness.trials.saved_model import SavedModel, read
from harness.trials.trial import UNUSED


def load(directory: Path, registry: Registry, device: str = "cpu", weights_dir: Path | None = None) -> Detector:
    """The model that a directory holds, ready to decide. Raises ModelError, UnavailableError."""
    saved = read(directory)
    trial = saved.trial
    remarks = (*remarks_on(saved, registry), *filter(None, [saved.doubt]))
    dataset = made(registry, Dataset, trial.dataset, saved, directory)
    dataset.read_depth, dataset.resize = saved.depth, trial.resize
    return Detector(
        saved,
        restored(saved, directory, registry, device, weights_dir, remarks),
        dataset,
        saved.pool,
        saved.threshold,
        saved.limit,
        device,
        _pools(registry, saved, directory),
        remarks,
    )


def _pools(registry: Registry, saved: SavedModel, directory: Path) -> dict[str, Pool]:
    """The pools of its calibration scores that are offered here. Raises ModelError where its own is not."""
    if saved.pool == UNUSED:
        return {}
    pools = {saved.pool: made(registry, Pool, saved.pool, saved, directory)}
    for text in saved.calibration.keys() - {saved.pool}:
        with suppress(HarnessError):  # it is missed only by somebody who chooses another pool
            pools[text] = registry.make(Pool, text)
    return pools
