"""A worker for another machine that has the same packages; data and plugin files are sent along with the trials."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from harness.api import Images, Split
from harness.errors import ModelError
from harness.plugin.plugin_files import contents
from harness.trials.isolation.registry import registry_of
from harness.trials.observers import Observer
from harness.trials.provenance import Makers, makers
from harness.trials.saved_model import SavedModel, State
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

_TAKEN_ALONG = ("HARNESS_OFFLINE", "HARNESS_PLUGINS")


class Returned(NamedTuple):
    """The result of a trial that was fitted on another machine."""

    outcome: Outcome
    models: tuple[tuple[SavedModel, State], ...] = ()
    """Fitted models to be kept. They are sent back because the folder of models lies beside the store."""

    def kept_by(self, worker: Worker) -> Outcome:
        """Write the models that were sent back into their folder, and return the outcome.

        Where a model cannot be written, the outcome says why.
        """
        for saved, state in self.models:
            assert worker.config.keep is not None
            try:
                worker.save(saved, state, worker.config.keep.folder)
            except ModelError as error:  # the scores stand all the same
                return replace(self.outcome, unkept=str(error))
        return self.outcome


@dataclass(frozen=True)
class RemoteWorker:
    """Fits trials on another machine. It consists of plain values, so that it can be pickled and sent there."""

    config: WorkerConfig
    files: tuple[tuple[Path, bytes], ...]
    """Each plugin file: its path on the sending machine, and its content."""
    environ: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, worker: Worker, environ: Mapping[str, str] = os.environ) -> RemoteWorker:
        """A remote worker that does the same as this worker. Raises UsageError if a plugin file no longer exists."""
        config, folder = worker.config, worker.config.weights_dir
        elsewhere = replace(config, data_root=None, weights_dir=folder and folder.absolute(), plugin_files=())
        taken = tuple((name, environ[name]) for name in _TAKEN_ALONG if name in environ)
        return cls(elsewhere, tuple(contents(config.plugin_files).items()), taken)

    def perform(self, trial: Trial, split: Split, wanted: Makers, observer: Observer) -> Returned:
        """Fit a trial on data that was sent along.

        A part that another plugin or version offers here than `wanted` says makes the outcome an error; only the data
        set need not be offered here. Nothing but KeyboardInterrupt is raised.
        """
        models: list[tuple[SavedModel, State]] = []

        def save(saved: SavedModel, state: State, folder: Path) -> None:
            arrays = {name: np.asarray(array) for name, array in state.items()}
            models.append((replace(saved, plugins={**saved.plugins, **wanted.plugins}), arrays))

        worker = replace(_worker(self), save=save)
        here = makers(trial, worker.registry)
        for kind, plugin in wanted.plugins.items():
            if kind != "dataset" and here.plugins.get(kind) != plugin:
                has = here.plugins.get(kind, "nothing that offers it")
                text = getattr(trial, kind.partition("'")[0])  # "model's loss" is spelt in the model
                reason = f"{kind} {text!r} is of {plugin}, and {socket.gethostname()} has {has}"
                return Returned(Outcome(trial, "error", f"{reason}: install the same there", split.fingerprint))
        outcome = worker.perform(trial, observer, split)
        record = replace(outcome.record, plugins=wanted.plugins, code={**wanted.code, **here.code})
        return Returned(replace(outcome, record=record), tuple(models))


@lru_cache(maxsize=1)
def _worker(remote: RemoteWorker) -> Worker:
    """The worker of this process. It is made once, since a process fits many trials."""
    os.environ.update(remote.environ)
    return Worker(remote.config, registry_of(dict(remote.files), isolate=remote.config.isolate))


def portable(split: Split) -> Split:
    """The same data, with the same fingerprint, in plain arrays, which Ray can share without copying them."""

    def plain(images: Images) -> Images:
        masks = None if images.masks is None else np.asarray(images.masks)
        return replace(images, pixels=np.asarray(images.pixels), masks=masks)

    apart = None if split.calibration is None else plain(split.calibration)
    moved = replace(split, train=plain(split.train), test=plain(split.test), calibration=apart)
    moved.__dict__["fingerprint"] = split.fingerprint  # worked out once, and not by every worker
    return moved
