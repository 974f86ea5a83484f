"""What runs on the machines of a Ray cluster: a task for each trial, and the board for their progress."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from harness.api import Images, Progress, Split
from harness.plugin.registry import Registry, contents
from harness.trials.observers import Observer
from harness.trials.provenance import Makers, makers
from harness.trials.saved_model import SavedModel, State
from harness.trials.trial import Outcome, Trial
from harness.trials.worker import Worker, WorkerConfig

BEAT_S = 0.25
"""How often the progress of a fit travels, at most."""
_TAKEN_ALONG = ("HARNESS_OFFLINE", "HARNESS_PLUGINS")


@dataclass(frozen=True)
class Setting:
    """What every worker needs, wherever it is: where to compute, plugin files with their content, environment."""

    workplace: WorkerConfig
    files: tuple[tuple[Path, bytes], ...]
    environ: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, workplace: WorkerConfig, environ: Mapping[str, str] = os.environ) -> Setting:
        """That of this process. Raises UsageError for a plugin file that is gone."""
        folder = workplace.weights_dir
        elsewhere = replace(workplace, data_root=None, weights_dir=folder and folder.absolute(), plugin_files=())
        taken = tuple((name, environ[name]) for name in _TAKEN_ALONG if name in environ)
        return cls(elsewhere, tuple(contents(workplace.plugin_files).items()), taken)


class Board:
    """Where workers pin up how far they are, until somebody takes it down. An actor."""

    def __init__(self) -> None:
        self._news: list[tuple[Trial, Progress]] = []
        self._pinned = asyncio.Event()

    async def pin(self, trial: Trial, progress: Progress) -> None:
        """From a worker."""
        self._news.append((trial, progress))
        self._pinned.set()

    async def take(self) -> list[tuple[Trial, Progress]]:
        """All that is new, as soon as something is."""
        await self._pinned.wait()
        await asyncio.sleep(BEAT_S)  # what many workers say comes as one message
        self._pinned.clear()
        news, self._news = self._news, []
        return news


class Wire(Observer):
    """Carries the progress of one fit to the board: several steps as one where they are fast."""

    def __init__(self, board: Any) -> None:
        self._board = board
        self._due = 0.0
        self._images = 0

    def progressed(self, trial: Trial, progress: Progress) -> None:
        self._images += progress.images
        now = time.monotonic()
        if now >= self._due:
            self._board.pin.remote(trial, replace(progress, loss=float(progress.loss), images=self._images))
            self._due, self._images = now + BEAT_S, 0


def perform(
    trial: Trial, split: Split, wanted: Makers, setting: Setting, board: Any
) -> tuple[Outcome, list[tuple[SavedModel, State]]]:
    """Fit a trial on data that comes along, by the makers that are wanted; that of its data set may be absent here.

    A model that is to be kept goes back with the outcome: the folder of models is where the store is.
    """
    models: list[tuple[SavedModel, State]] = []

    def save(saved: SavedModel, state: State, folder: Path) -> None:
        arrays = {name: np.asarray(array) for name, array in state.items()}
        models.append((replace(saved, plugins={**saved.plugins, **wanted.plugins}), arrays))

    worker = replace(_worker(setting), save=save)
    here = makers(trial, worker.registry)
    for kind, plugin in wanted.plugins.items():
        if kind != "dataset" and here.plugins.get(kind) != plugin:
            has = here.plugins.get(kind, "nothing that offers it")
            reason = f"{kind} {getattr(trial, kind)!r} is of {plugin}, and {socket.gethostname()} has {has}"
            return Outcome(trial, "error", f"{reason}: install the same there", split.fingerprint), models
    outcome = worker.perform(trial, Wire(board), split)
    record = replace(outcome.record, plugins=wanted.plugins, code={**wanted.code, **here.code})
    return replace(outcome, record=record), models


@lru_cache(maxsize=1)
def _worker(setting: Setting) -> Worker:
    """Made once in a process, which fits many trials."""
    os.environ.update(setting.environ)
    return Worker(setting.workplace, Registry.discover(dict(setting.files)))


def portable(split: Split) -> Split:
    """The same data in arrays that are not copied on the way, as a `numpy.memmap` is, with its fingerprint."""

    def plain(images: Images) -> Images:
        masks = None if images.masks is None else np.asarray(images.masks)
        return replace(images, pixels=np.asarray(images.pixels), masks=masks)

    moved = replace(split, train=plain(split.train), test=plain(split.test))
    moved.__dict__["fingerprint"] = split.fingerprint  # worked out once, and not by every worker
    return moved
